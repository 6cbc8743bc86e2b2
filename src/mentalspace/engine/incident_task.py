"""What an incident asks of people besides acknowledging: a checklist, or a ticket for a sprint."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record
from mentalspace.engine.runbook import Rung

LONGEST_NOTE = 500

_ADD = """
insert into incident_task (incident_id, kind, position, text) values ($1, $2, $3, $4)
on conflict do nothing
"""
_FINISH = """
update incident_task set done_at = app.now(), done_by = $2, note = nullif($3, '')
 where id = $1 and done_at is null returning incident_id, kind, text, note
"""
_OF_INCIDENT = """
select id, kind, text, note, opened_at, done_at, done_by from incident_task
 where incident_id = $1 order by kind desc, position
"""
_TICKETS = """
select t.id, t.text, t.note, t.opened_at, t.done_at, t.done_by, i.id as incident_id, i.severity,
       i.status, i.integration, i.resolve_due_at
  from incident_task t join incident i on i.id = t.incident_id
 where t.kind = 'ticket' and i.drill is null and (t.done_at is null) = $1
 order by case when $1 then i.resolve_due_at end, t.done_at desc, t.opened_at, t.id limit $2
"""


async def open_tasks(
    connection: Connection, incident_id: UUID, rung: Rung, title: str, drill: str | None
) -> None:
    """What the rung's action asks for: the lines of its checklist, or a ticket."""
    for position, text in enumerate(rung.checklist):
        await connection.execute(_ADD, incident_id, "step", position, text)
    if rung.opens_ticket:
        await connection.execute(_ADD, incident_id, "ticket", 0, f"{title}: {rung.actions}")
    await record(
        connection,
        "action_asked",
        incident_id=incident_id,
        data={"action": rung.action.value, "text": rung.actions},
        actor="evaluator",
        drill=drill,
    )


async def finish_task(connection: Connection, task_id: UUID, actor: str, note: str = "") -> Any:
    """A person has done it; its incident's id. None if it was done already, or is nowhere. The note
    stands in the timeline and in the post-mortem, and names no client."""
    row = await connection.fetchrow(_FINISH, task_id, actor, note.strip()[:LONGEST_NOTE])
    if row is None:
        return None
    kind = "ticket_closed" if row["kind"] == "ticket" else "step_done"
    data = {"text": row["text"], **({"note": row["note"]} if row["note"] else {})}
    await record(connection, kind, incident_id=row["incident_id"], data=data, actor=actor)
    return row["incident_id"]


async def tasks_of(connection: Connection, incident_id: UUID) -> list[Any]:
    """The ticket first, then the checklist in its order."""
    return list(await connection.fetch(_OF_INCIDENT, incident_id))


async def tickets(connection: Connection, *, opened: bool, limit: int = 100) -> list[Any]:
    """Open ones by when they must be over, or closed ones, the latest first; drills' left out."""
    return list(await connection.fetch(_TICKETS, opened, limit))
