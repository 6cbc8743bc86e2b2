"""The page in place of one whose tables are locked: who is in the way, told without a table."""

from __future__ import annotations

from datetime import datetime

from mentalspace.console.queries.processes import Process, read_processes
from mentalspace.console.view import Templates
from mentalspace.engine.db import Connection, Database
from mentalspace.engine.in_the_way import InTheWay, lock_advice, read_in_the_way
from mentalspace.engine.pulse import LOCKED, TableLock, bound_waits, table_locks
from mentalspace.practice.identity import Person

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
    async with database.as_oncall() as connection:
        now = await connection.fetchval("select app.now()")
        if person.may("incidents.read"):
            locks = await table_locks(connection)
            holders = {one.holder for one in locks}
            found = await read_in_the_way(connection)
            waits = [one for one in found if one.holder.holder not in holders]
            troubled = await _troubled(connection)
    values = {
        "locks": [(one, lock_advice(one.held_by, one.holder)) for one in locks],
        "waits": waits,
        "troubled": troubled,
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
