"""Leads of reminders as rows of a form: a number and a unit each, empty if not wanted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mentalspace.practice.reminder import MOST_LEADS

UNITS = (("days", 1440), ("hours", 60), ("minutes", 1))
_NUMBER = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class LeadRow:
    """What stands in one row."""

    number: int
    amount: str
    unit: str


def rows_of(leads_min: Iterable[int]) -> list[LeadRow]:
    """The rows of a form that shows these, with empty ones after them."""
    rows = [_row(number, lead) for number, lead in enumerate(leads_min, 1)]
    return rows + [LeadRow(n, "", "hours") for n in range(len(rows) + 1, MOST_LEADS + 1)]


def sent_rows(field: Callable[[str], str]) -> list[LeadRow]:
    """The rows as somebody sent them."""
    return [
        LeadRow(n, field(f"amount_{n}").strip(), field(f"unit_{n}"))
        for n in range(1, MOST_LEADS + 1)
    ]


def leads_of(rows: Iterable[LeadRow]) -> list[int] | None:
    """Minutes; None if a row is no whole number of a known unit."""
    units, leads = dict(UNITS), []
    for row in rows:
        if not row.amount:
            continue
        if not _NUMBER.fullmatch(row.amount) or row.unit not in units:
            return None
        leads.append(int(row.amount) * units[row.unit])
    return leads


def _row(number: int, lead_min: int) -> LeadRow:
    unit, minutes = next(each for each in UNITS if lead_min % each[1] == 0)
    return LeadRow(number, str(lead_min // minutes), unit)
