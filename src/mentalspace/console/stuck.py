"""The page in place of one whose tables are locked: who is in the way, told without a table."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mentalspace.console.queries.processes import Process, read_processes
from mentalspace.console.view import Templates
from mentalspace.engine.db import Connection, Database
from mentalspace.engine.in_the_way import InTheWay, lock_advice, read_in_the_way
from mentalspace.engine.pulse import LOCKED, TableLock, bound_waits, table_locks
from mentalspace.practice.identity import Person

# What is due and has not left. Of some tables nothing can be read meanwhile.
_DUE = """
select count(*) as messages, count(distinct recipient_key) as people, min(due_at) as first_due_at
  from delivery where status in ('pending', 'due', 'unknown') and due_at <= app.now()
   and coalesce(next_attempt_at, due_at) <= app.now() and drill is null
"""
_NEXT = """
select count(*) as messages, min(due_at) as first_due_at from delivery
 where status in ('pending', 'due') and drill is null
   and due_at between app.now() and app.now() + interval '1 hour'
"""
_INCIDENTS = """
select i.id, i.title, i.opened_at, i.acknowledged_by,
       (select count(*) from page p where p.incident_id = i.id and p.state = 'sent') as pages
  from incident i where i.status <> 'resolved' and i.recovered_at is null and i.drill is null
   and i.lead_id is null
 order by array_position(array['critical', 'high', 'medium', 'low'], i.severity), i.opened_at
 limit 5
"""

# What a page meets that waits for a lock, or for an answer, longer than a person would.
STUCK = (*LOCKED, TimeoutError)


async def stuck_page(
    database: Database, templates: Templates, person: Person, where: str, *, is_change: bool
) -> tuple[str, datetime]:
    """HTML and its instant. Whoever may not see incidents is sent to on-call; of a change nobody
    says that it failed, for that is not known."""
    locks: list[TableLock] = []
    waits: list[InTheWay] = []
    troubled: list[Process] = []
    due = soon = incidents = None
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
            incidents = await _read(connection, _INCIDENTS)
    values = {
        "locks": [(one, lock_advice(one.held_by, one.holder)) for one in locks],
        "waits": waits,
        "troubled": troubled,
        "due": due[0] if due else None,
        "soon": soon[0] if soon else None,
        "incidents": incidents,
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


async def _read(connection: Connection, question: str) -> list[Any] | None:
    """None where the answer is behind the lock as well."""
    try:
        async with connection.transaction():
            await bound_waits(connection, 0.5)
            return list(await connection.fetch(question))
    except STUCK:
        return None
