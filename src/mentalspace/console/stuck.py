"""The page in place of one whose tables are locked: who is in the way, told without a table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.console import words
from mentalspace.console.queries.processes import Process, read_processes
from mentalspace.console.view import Templates
from mentalspace.engine.acknowledged import owed_by
from mentalspace.engine.db import Connection, Database
from mentalspace.engine.in_the_way import InTheWay, lock_advice, read_in_the_way
from mentalspace.engine.person import PERSON
from mentalspace.engine.pulse import LOCKED, TableLock, bound_waits, table_locks
from mentalspace.engine.queued import WAITS
from mentalspace.practice.identity import Person

# What is due, may leave now and has not left. Of some tables nothing can be read meanwhile.
_DUE = f"""
select count(*) as messages, count(distinct {PERSON}) as people, min(d.due_at) as first_due_at
  from delivery d
 where d.drill is null and ({WAITS} or d.status = 'unknown' and d.due_at <= app.now())
"""
_NEXT = """
select count(*) as messages, min(due_at) as first_due_at from delivery
 where status in ('pending', 'due') and drill is null
   and due_at > app.now() and due_at <= app.now() + interval '1 hour'
   and (hours is null or app.is_open(hours, due_at))
"""
# Of its own table alone: whatever else is locked, somebody can take it. The one asked for is first,
# then what nobody has.
_INCIDENTS = """
select id, title, severity, status, opened_at, acknowledged_by, recovered_at,
       count(*) over () as total
  from incident where status <> 'resolved' and archived_at is null and drill is null
   and lead_id is null
 order by id is distinct from $1, status = 'acknowledged', recovered_at is not null,
       array_position(array['critical', 'high', 'medium', 'low'], severity), opened_at
 limit 10
"""
_PAGES = """
select incident_id, count(*) as pages from page where state = 'sent' and incident_id = any ($1)
 group by incident_id
"""

# What a page meets that waits for a lock, or for an answer, longer than a person would.
STUCK = (*LOCKED, TimeoutError)


async def stuck_page(
    database: Database,
    templates: Templates,
    person: Person,
    where: str,
    *,
    is_change: bool,
    about: UUID | None = None,
    done: str = "",
) -> tuple[str, datetime]:
    """HTML and its instant, for the page at `where`, `about` an incident or none, after `done`.
    Whoever may not see incidents is sent to on-call; of a change nobody says that it failed, for
    that is not known."""
    locks: list[TableLock] = []
    waits: list[InTheWay] = []
    troubled: list[Process] = []
    due = soon = incidents = pages = None
    owed: Mapping[UUID, str] = {}
    async with database.as_oncall() as connection:
        now = await connection.fetchval("select app.now()")
        if person.may("incidents.read"):
            locks = await table_locks(connection)
            holders = {one.holder for one in locks}
            found = await read_in_the_way(connection)
            waits = [one for one in found if one.holder.holder not in holders]
            troubled = await _troubled(connection)
            due = await _read(connection, _DUE)
            soon = await _read(connection, _NEXT) if due else None
            incidents = await _read(connection, _INCIDENTS, about)
            pages = await _read(connection, _PAGES, [one["id"] for one in incidents or ()])
            owed = await owed_by(connection)
    values = {
        "locks": [(one, lock_advice(one.held_by, one.holder)) for one in locks],
        "waits": waits,
        "troubled": troubled,
        "due": due[0] if due else None,
        "soon": soon[0] if soon else None,
        "incidents": incidents,
        "may_take": person.may("incidents.act"),
        "about": about,
        "owed": owed,
        "pages": None if pages is None else {one["incident_id"]: one["pages"] for one in pages},
        "done": words.INCIDENT_DONE.get(done),
        "person": person,
        "where": where,
    }
    frame = {"now": now, "zone": "UTC"}
    return templates.render("stuck.html", frame, {**frame, **values, "changed": is_change}), now


async def _troubled(connection: Connection) -> list[Process]:
    """None while their own table is locked."""
    try:
        async with connection.transaction():
            await bound_waits(connection)
            return [one for one in await read_processes(connection) if one.is_troubled]
    except STUCK:
        return []


async def _read(connection: Connection, question: str, *given: object) -> list[Any] | None:
    """None where the answer is behind the lock as well."""
    try:
        async with connection.transaction():
            await bound_waits(connection, 0.5)
            return list(await connection.fetch(question, *given))
    except STUCK:
        return None
