"""Tickets: what incidents leave for a sprint, until a person closes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from mentalspace.api.fields import Body, Out
from mentalspace.api.page import Limit
from mentalspace.api.problem import not_found
from mentalspace.api.visit import Visit, allowed
from mentalspace.engine.incident_task import LONGEST_NOTE, finish_task
from mentalspace.engine.incident_task import tickets as read_tickets

routes = APIRouter(tags=["incidents"])

# A line of a checklist is no ticket: it is ticked off on its incident.
_KNOWN = "select true from incident_task where id = $1 and kind = 'ticket'"


class Ticket(Out):
    """`resolve_due_at` is when its incident's second clock runs out."""

    id: UUID
    incident_id: UUID
    text: str
    severity: str
    status: str
    integration: str
    opened_at: datetime
    resolve_due_at: datetime | None
    done_at: datetime | None
    done_by: str | None
    note: str | None


class Closing(Body):
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""


class Closed(Out):
    closed: bool


@routes.get("/v1/tickets", summary="Tickets, the most urgent first")
async def tickets(
    visit: Annotated[Visit, allowed("incidents.read")],
    state: Literal["open", "done"] = "open",
    limit: Limit = 50,
) -> list[Ticket]:
    """On-call sees all of them, an administrator those of their practice."""
    async with visit.reading() as connection:
        rows = await read_tickets(connection, opened=state == "open", limit=limit)
    return [Ticket(**dict(row)) for row in rows]


@routes.post("/v1/tickets/{ticket_id}/close", summary="It is done", responses={404: {}})
async def close(
    visit: Annotated[Visit, allowed("incidents.act")], ticket_id: UUID, closing: Closing
) -> Closed:
    """Twice changes nothing: `closed` says whether this call did it."""
    async with visit.services.database.as_oncall(visit.person.claims()) as connection:
        known = await connection.fetchval(_KNOWN, ticket_id)
        if not known:
            raise not_found()
        closed = await finish_task(connection, ticket_id, visit.actor, closing.note)
    return Closed(closed=closed is not None)
