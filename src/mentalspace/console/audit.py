"""The audit's page: who read or did what, searched, paged, and taken away as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from mentalspace.console import audit_words
from mentalspace.console.audit_csv import written
from mentalspace.console.audit_form import Asked
from mentalspace.console.door import HEADERS, Missing, Visit
from mentalspace.engine.db import Connection
from mentalspace.practice.audit_search import (
    ITSELF,
    Entry,
    names_of,
    note_search,
    outsiders_of,
    search_audit,
)
from mentalspace.practice.colleague import read_colleagues

PAGE = 50
MOST_EXPORTED = 10_000
# Whoever acts for a practice without being anybody of it.
_CLIENTS = {"client by link": "A client by link", "client by text": "A client by text"}
_HOUSE = {ITSELF: "MentalSpace itself", "system": "MentalSpace itself"}


async def audit(visit: Visit) -> Response:
    """The newest first; `before` goes on where a page ended."""
    async with visit.reading() as connection:
        asked = await _read_asked(visit, connection)
        entries: list[Entry] = []
        # No part of the list refreshes itself: that would be another look, every two seconds.
        if not asked.problems() and not visit.is_fragment:
            entries = await search_audit(connection, asked.search(), PAGE + 1)
            await _note(visit, connection, asked, "audit.read")
        values = await _read_values(visit, connection, asked, entries)
    return await visit.show("audit.html", http=422 if asked.problems() else 200, **values)


async def export(visit: Visit) -> Response:
    """What was searched for as a file for a spreadsheet; the newest ten thousand of it."""
    async with visit.reading() as connection:
        asked = await _read_asked(visit, connection)
        if asked.problems():
            raise Missing
        entries = await search_audit(connection, asked.search(), MOST_EXPORTED)
        names = await _names(visit, connection, entries)
        today = (await connection.fetchval("select app.now()")).date()
        await _note(visit, connection, asked, "audit.exported")
    disposition = {"content-disposition": f'attachment; filename="audit-{today}.csv"'}
    body = written(entries, names)
    return Response(body, 200, {**HEADERS, **disposition}, "text/csv; charset=utf-8")


async def _read_values(
    visit: Visit, connection: Connection, asked: Asked, found: Sequence[Entry]
) -> dict[str, Any]:
    """What the page shows of them, one more than fit if there are more."""
    entries, more = found[:PAGE], len(found) > PAGE
    names, problems = await _names(visit, connection, entries), asked.problems()
    who, what = ("", "") if problems else (asked.who, asked.what)
    return {
        "problems": problems,
        "asked": asked,
        "entries": entries,
        "names": names,
        "people": _with(await _people(visit, connection), who, names),
        "practices": await _practices(visit, connection),
        "deeds": _with(dict(audit_words.DEEDS), what, {}),
        "deed": audit_words.deed,
        "details": audit_words.details,
        "found": audit_words.found(len(entries), more),
        "older": asked.address(before=entries[-1].id) if more else None,
        "newest": asked.address() if asked.before else None,
        "otherwise": asked.otherwise(),
        "export": asked.address(),
        "most": MOST_EXPORTED,
    }


async def _read_asked(visit: Visit, connection: Connection) -> Asked:
    zone = await connection.fetchval(
        "select timezone from practice where id = $1", visit.person.practice_id
    )
    return Asked.read(visit.query, zone or "UTC")


async def _note(visit: Visit, connection: Connection, asked: Asked, action: str) -> None:
    person = visit.person
    await note_search(
        connection, str(person.user_id), action, asked.search(), of=person.practice_id
    )


async def _names(
    visit: Visit, connection: Connection, entries: Sequence[Entry]
) -> Mapping[str, str]:
    """On-call learns the names of those of them alone who are on call or broke the glass."""
    known = _HOUSE | await outsiders_of(connection, entries)
    return known if visit.is_oncall else known | await names_of(connection, entries)


async def _people(visit: Visit, connection: Connection) -> dict[str, str]:
    """Whom an administrator may choose: colleagues, and clients by what they sent."""
    if visit.person.practice_id is None:
        return {}
    found = await read_colleagues(connection, visit.person.practice_id)
    return {str(row["id"]): row["name"] for row in found} | _CLIENTS


async def _practices(visit: Visit, connection: Connection) -> list[Any]:
    if not visit.is_oncall:
        return []
    return list(
        await connection.fetch("select id, name from practice where not is_drill order by name")
    )


def _with(known: dict[str, str], chosen: str, names: Mapping[str, str]) -> dict[str, str]:
    """What is asked for stands in the list, whoever made the link."""
    return known if not chosen or chosen in known else {**known, chosen: names.get(chosen, chosen)}
