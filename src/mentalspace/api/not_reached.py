"""Whom no channel has told of an appointment that is near."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from mentalspace.api.fields import Out
from mentalspace.api.visit import Visit, allowed
from mentalspace.practice.not_reached import (
    DAYS,
    Client,
    last_instant,
    read_coming,
    read_unreached,
)

routes = APIRouter(tags=["tasks"])

Days = Annotated[int, Query(ge=1, le=7, description="Today is the first of them.")]


class TryOut(Out):
    """One message of the newest notice. `retriable`: it has surely not left, and may go now."""

    delivery_id: UUID
    integration: str
    kind: str
    status: str
    case_id: str | None
    at: datetime
    retriable: bool


class AppointmentOut(Out):
    id: UUID
    starts_at: datetime
    clinician_email: str | None
    tries: list[TryOut]


class ClientOut(Out):
    """`tasks` are the texts of what the runbook asks of a person."""

    id: UUID
    name: str
    email: str | None
    phone: str | None
    language: str
    appointments: list[AppointmentOut]
    tasks: list[str]


class NotReached(Out):
    """`reached`, `waiting` and `not_reached` count appointments until `until`."""

    until: datetime
    reached: int
    waiting: int
    not_reached: int
    clients: list[ClientOut]


@routes.get("/v1/not-reached", summary="Clients who do not know of an appointment")
async def not_reached(
    visit: Annotated[Visit, allowed("morning.read")],
    days: Days = DAYS,
    clinician_email: Annotated[str | None, Query(max_length=320)] = None,
) -> NotReached:
    """Whoever comes soonest first. Accepted is not delivered: what nobody has heard of for an hour
    has not reached anybody."""
    async with visit.reading() as connection:
        row = await connection.fetchrow(
            "select timezone, app.now() as now from practice where id = $1", visit.practice_id
        )
        assert row is not None
        until = last_instant(row["now"], row["timezone"], days)
        asked = (connection, visit.practice_id, until, clinician_email)
        states = [one.state for one in await read_coming(*asked)]
        clients = await read_unreached(*asked)
        await visit.note(connection, "morning.read")
    return NotReached(
        until=until,
        reached=states.count("reached"),
        waiting=states.count("waiting"),
        not_reached=states.count("not_reached"),
        clients=[_out(client) for client in clients],
    )


def _out(client: Client) -> ClientOut:
    return ClientOut.model_validate(client, from_attributes=True)
