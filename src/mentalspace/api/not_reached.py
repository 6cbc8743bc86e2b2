"""Whom no channel has told of an appointment that is near, and what else a morning holds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from mentalspace.api.fields import Out
from mentalspace.api.visit import Visit, allowed
from mentalspace.practice.front_desk import read_resting, read_silent, read_unread
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


class SilentOut(Out):
    """A client to whom nothing may be sent, and when they come next: only a call reaches them."""

    id: UUID
    name: str
    phone: str | None
    starts_at: datetime


class UnreadOut(Out):
    """A conversation that a person must read. Without `client_id` its number is not known to be
    one client's; `late`: somebody wanted to cancel, too late for a text to do it."""

    client_id: UUID | None
    name: str | None
    texts: int
    at: datetime
    late: bool


class RestingOut(Out):
    """A text whose time has come and that waits `until` it may leave by the client's clock."""

    delivery_id: UUID
    client_id: UUID
    name: str
    starts_at: datetime
    until: datetime


class NotReached(Out):
    """`reached`, `waiting` and `not_reached` count appointments until `until`; `unknown` counts the
    clients of whom a message was perhaps sent. `nothing_goes` are those with a coming appointment
    who may be sent nothing, whether or not they know of it."""

    until: datetime
    reached: int
    waiting: int
    not_reached: int
    unknown: int
    clients: list[ClientOut]
    nothing_goes: list[SilentOut]
    waiting_for_hours: list[RestingOut]
    to_read: list[UnreadOut]


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
        of = (visit.practice_id, (row["now"], until), clinician_email)
        silent = await read_silent(connection, visit.services.vault, *of)
        resting = await read_resting(connection, *of)
        unread = await read_unread(connection, visit.practice_id)
        await visit.note(connection, "morning.read")
    return NotReached(
        until=until,
        reached=states.count("reached"),
        waiting=states.count("waiting"),
        not_reached=states.count("not_reached"),
        unknown=sum(_perhaps_told(client) for client in clients),
        clients=[ClientOut.model_validate(each, from_attributes=True) for each in clients],
        nothing_goes=[SilentOut.model_validate(each, from_attributes=True) for each in silent],
        waiting_for_hours=[
            RestingOut.model_validate(each, from_attributes=True) for each in resting
        ],
        to_read=[UnreadOut.model_validate(each, from_attributes=True) for each in unread],
    )


def _perhaps_told(client: Client) -> bool:
    return any(one.status == "unknown" for each in client.appointments for one in each.tries)
