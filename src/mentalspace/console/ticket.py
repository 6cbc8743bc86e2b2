"""Tickets: what is repaired in a sprint rather than tonight; and the lines of a checklist."""

from __future__ import annotations

from starlette.responses import Response

from mentalspace.console.door import Missing, Visit
from mentalspace.engine.incident_task import finish_task
from mentalspace.engine.incident_task import tickets as read_tickets

_DONE = {"closed": "The ticket is closed."}


async def tickets(visit: Visit) -> Response:
    state = "done" if visit.query("state") == "done" else "open"
    async with visit.reading() as connection:
        found = await read_tickets(connection, opened=state == "open")
    return await visit.show(
        "tickets.html",
        tickets=found,
        state=state,
        done=_DONE.get(visit.query("done")),
        may_act=visit.person.may("incidents.act"),
    )


async def close(visit: Visit) -> Response:
    await _finish(visit)
    return visit.go("/tickets?done=closed")


async def tick(visit: Visit) -> Response:
    """A line of an incident's checklist; back to the incident."""
    incident_id = await _finish(visit)
    return visit.go(f"/incidents/{incident_id}#todo")


async def _finish(visit: Visit) -> object:
    """The incident it belongs to, whoever was quicker."""
    task_id = visit.id()
    async with visit.services.database.as_oncall(visit.person.claims()) as connection:
        await finish_task(connection, task_id, visit.person.name, visit.field("note"))
        incident_id = await connection.fetchval(
            "select incident_id from incident_task where id = $1", task_id
        )
    if incident_id is None:
        raise Missing
    return incident_id
