"""Searching the audit: an administrator their practice's, on-call everybody's through a view that
leaves out what is private."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.practice.audit import note

_SEARCH = """
select a.id, a.at, a.practice_id, p.name as practice_name, a.seq, a.actor, a.action, a.subject,
       a.data
  from audit a left join practice p on p.id = a.practice_id
 where {where} order by a.id desc limit {limit}
"""


# Who acts without being anybody: what goes on by itself for a practice, and for all of them.
ITSELF = str(UUID(int=0))
_BY_PEOPLE = f"a.actor not in ('{ITSELF}', 'system')"  # as the indexes have it


@dataclass(frozen=True, slots=True)
class Search:
    """Empty text and None mean any. `before` is the id that the page before ended with.
    `by_people` leaves out what the system did itself."""

    practice_id: UUID | None = None
    actor: str = ""
    action: str = ""
    subject: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    by_people: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """`actor` is a person's id, or a word for what is none; `subject` an id. `seq` is its place in
    its practice's chain. Of what belongs to no practice, such as a stranger's log-in, the practice
    is None."""

    id: int
    at: datetime
    practice_id: UUID | None
    practice_name: str | None
    seq: int
    actor: str
    action: str
    subject: str | None
    data: Mapping[str, Any]


async def search_audit(connection: Connection, search: Search, limit: int) -> list[Entry]:
    """The newest first, at most `limit` of them. Whose practice's, and what of them, is the
    connection's affair."""
    asked = _asked(search)
    where = [f"{condition} ${place}" for place, condition in enumerate(asked, 1)]
    where += [_BY_PEOPLE] if search.by_people else []
    sql = _SEARCH.format(where=" and ".join(where) or "true", limit=f"${len(asked) + 1}")
    rows = await connection.fetch(sql, *asked.values(), limit)
    return [Entry(**dict(row)) for row in rows]


async def names_of(connection: Connection, entries: Sequence[Entry]) -> dict[str, str]:
    """The names of who acted and of whom it was about, by id; of those that the caller may know.

    For an administrator. On-call has no right to these tables.
    """
    rows = await connection.fetch(
        "select id, name from app_user where id = any ($1)"
        " union all select id, name from client where id = any ($1)",
        _ids(entries),
    )
    return {str(row["id"]): row["name"] for row in rows}


async def outsiders_of(connection: Connection, entries: Sequence[Entry]) -> dict[str, str]:
    """The names of those who need not belong to the practice: whoever is on call, and whoever broke
    the glass at some time."""
    rows = await connection.fetch(
        "(select distinct on (opened_by) opened_by as id, opener as name from payload_opening"
        " where opened_by = any ($1) order by opened_by, opened_at desc)"
        " union all select id, name from app.oncall_names($1)",
        _ids(entries),
    )
    return {str(row["id"]): row["name"] for row in rows}


async def note_search(
    connection: Connection, actor: str, action: str, search: Search, *, of: UUID | None
) -> None:
    """Looking through the audit stands in it, too: in the chain of the practice that was looked
    at, with the id of whom it was about. `of` is the asker's own practice."""
    practice_id = of or await connection.fetchval(
        "select id from practice where id = $1", search.practice_id
    )
    await note(connection, actor, action, practice_id=practice_id, subject=search.subject)


def _asked(search: Search) -> dict[str, object]:
    """Only what was asked for: a statement that asks for everything at once finds no index."""
    every = {
        "a.practice_id =": search.practice_id,
        "a.actor =": search.actor or None,
        "a.action =": search.action or None,
        "a.subject =": None if search.subject is None else str(search.subject),
        "a.at >=": search.since,
        "a.at <": search.until,
        "a.id <": search.before,
    }
    return {condition: value for condition, value in every.items() if value is not None}


def _ids(entries: Sequence[Entry]) -> list[UUID]:
    found = []
    for text in {each for entry in entries for each in (entry.actor, entry.subject) if each}:
        try:
            found.append(UUID(text))
        except ValueError:
            continue  # a word: "client by link"
    return found
