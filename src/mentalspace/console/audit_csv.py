"""Entries of the audit as a file for a spreadsheet, which must not take any of it for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from mentalspace.console.audit_words import deed, details
from mentalspace.practice.audit_search import Entry

COLUMNS = ("at", "practice", "entry", "who", "who_id", "did", "action", "about", "about_id", "more")
# source: https://owasp.org/www-community/attacks/CSV_Injection
_BEGINS_A_FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def written(entries: Sequence[Entry], names: Mapping[str, str]) -> str:
    """One line an entry, in their order, instants in UTC. It begins with a byte order mark, without
    which a spreadsheet does not read it as UTF-8."""
    into = io.StringIO(newline="")
    into.write("\N{ZERO WIDTH NO-BREAK SPACE}")
    rows = csv.writer(into, quoting=csv.QUOTE_ALL)
    rows.writerow(COLUMNS)
    for entry in entries:
        rows.writerow([harmless(cell) for cell in _cells(entry, names)])
    return into.getvalue()


def harmless(text: str) -> str:
    """An apostrophe before whatever a spreadsheet would compute."""
    begins = text.lstrip(" ")[:1]
    return f"'{text}" if begins and begins in _BEGINS_A_FORMULA else text


def _cells(entry: Entry, names: Mapping[str, str]) -> tuple[str, ...]:
    subject = entry.subject or ""
    return (
        entry.at.isoformat(timespec="seconds"),
        entry.practice_name or "",
        str(entry.seq),
        names.get(entry.actor, ""),
        entry.actor,
        deed(entry.action),
        entry.action,
        names.get(subject, ""),
        subject,
        details(entry.data),
    )
