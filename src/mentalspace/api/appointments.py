"""Appointments: the list, booking, moving, cancelling."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from mentalspace.api.fields import (
    Body,
    Email,
    ExternalId,
    Instant,
    Language,
    Minutes,
    Name,
    Out,
    Phone,
    Zone,
)
from mentalspace.api.once import Key, once
from mentalspace.api.page import Cursor, Limit, Page, page, position
from mentalspace.api.problem import Problem, not_found
from mentalspace.api.visit import Visit, allowed
from mentalspace.engine.db import Connection
from mentalspace.kernel.phi import Phi
from mentalspace.practice.appointment import NewAppointment
from mentalspace.workflows.appointments import (
    AppointmentCancelled,
    AppointmentExists,
    AppointmentUnknown,
    Booked,
    book,
    cancel,
    reschedule,
)

routes = APIRouter(tags=["appointments"])

_COLUMNS = """
select a.id, a.external_id, a.client_id, a.clinician_email, a.starts_at, a.duration_min,
       coalesce(c.timezone, p.timezone) as timezone, a.status, a.version, a.confirmed_at,
       a.cancelled_by, a.created_at, a.updated_at
  from appointment a join client c on c.id = a.client_id join practice p on p.id = a.practice_id
"""
_LIST = (
    _COLUMNS
    + """
 where a.drill is null
   and ($1::timestamptz is null or a.starts_at >= $1)
   and ($2::timestamptz is null or a.starts_at < $2)
   and ($3::text is null or a.status = $3) and ($4::uuid is null or a.client_id = $4)
   and ($5::timestamptz is null or (a.starts_at, a.id) > ($5, $6::uuid))
 order by a.starts_at, a.id limit $7
"""
)

Status = Literal["scheduled", "cancelled"]


class NewAppointmentIn(Body):
    """The client is made, or brought up to date with what is given; null leaves a field as is."""

    external_id: ExternalId
    client_external_id: ExternalId
    client_name: Name
    client_email: Email | None = None
    client_phone: Phone | None = None
    client_timezone: Zone | None = None
    client_language: Language | None = None
    clinician_email: Email | None = None
    starts_at: Instant
    duration_min: Minutes


class Move(Body):
    """At least one of the two."""

    starts_at: Instant | None = None
    duration_min: Minutes | None = None


class Appointment(Out):
    """`timezone` is the client's, else the practice's. `version` rises with every change the
    client is told of. `confirmed_at` and `cancelled_by` are a client's own answer by a mail's
    link."""

    id: UUID
    external_id: str
    client_id: UUID
    clinician_email: str | None
    starts_at: datetime
    duration_min: int
    timezone: str
    status: Status
    version: int
    confirmed_at: datetime | None
    cancelled_by: Literal["client"] | None
    created_at: datetime
    updated_at: datetime


Reader = Annotated[Visit, allowed("appointments.read")]
Writer = Annotated[Visit, allowed("appointments.write")]


@routes.get("/v1/appointments", summary="The calendar, by start")
async def appointments(
    visit: Reader,
    starts_from: Annotated[Instant | None, Query(description="The first instant.")] = None,
    starts_before: Annotated[Instant | None, Query(description="The instant after it.")] = None,
    status: Status | None = None,
    client_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Appointment]:
    """A client sees their own; drills' appointments are left out."""
    after_at, after_id = position(cursor)
    async with visit.reading() as connection:
        rows = await connection.fetch(
            _LIST, starts_from, starts_before, status, client_id, after_at, after_id, limit + 1
        )
        await visit.note(connection, "appointments.listed")
    return page(rows, limit, "starts_at", Appointment)


@routes.get("/v1/appointments/{appointment_id}", summary="One appointment", responses={404: {}})
async def appointment(visit: Reader, appointment_id: UUID) -> Appointment:
    async with visit.reading() as connection:
        found = await _read(connection, appointment_id)
        await visit.note(connection, "appointment.read", appointment_id)
    return found


@routes.post(
    "/v1/appointments",
    summary="Book",
    status_code=201,
    response_model=Appointment,
    responses={409: {"description": "That external_id is in the calendar already."}},
)
async def create(
    request: Request, visit: Writer, new: NewAppointmentIn, key: Key = None
) -> Response:
    """The client's mails are written in the same transaction; none of them can fail a booking."""

    async def work() -> Response:
        try:
            booked = await book(
                visit.services,
                visit.person.claims(),
                _new(new),
                traceparent=visit.traceparent,
            )
        except AppointmentExists as error:
            raise Problem(409, "appointment_exists", str(error)) from error
        return await _answer(visit, booked, "booked", 201)

    return await once(visit, request, key, await request.body(), work)


@routes.patch(
    "/v1/appointments/{appointment_id}",
    summary="Move to another time",
    response_model=Appointment,
    responses={404: {}, 409: {"description": "It is cancelled."}},
)
async def move(visit: Writer, appointment_id: UUID, to: Move) -> Response:
    """Mails that have not left yet are dropped, and the client is told the new time."""
    if to.starts_at is None and to.duration_min is None:
        raise Problem(422, "nothing_to_change", "give starts_at, duration_min, or both")
    starts_at = to.starts_at
    if starts_at is None:
        async with visit.reading() as connection:
            starts_at = (await _read(connection, appointment_id)).starts_at
    try:
        booked = await reschedule(
            visit.services,
            visit.person.claims(),
            appointment_id,
            starts_at=starts_at,
            duration_min=to.duration_min,
            traceparent=visit.traceparent,
        )
    except AppointmentUnknown as error:
        raise not_found() from error
    except AppointmentCancelled as error:
        raise Problem(409, "appointment_cancelled", str(error)) from error
    return await _answer(visit, booked, "moved")


@routes.post(
    "/v1/appointments/{appointment_id}/cancel",
    summary="Cancel",
    response_model=Appointment,
    responses={404: {}},
)
async def call_off(visit: Writer, appointment_id: UUID) -> Response:
    """Twice changes nothing."""
    try:
        booked = await cancel(
            visit.services,
            visit.person.claims(),
            appointment_id,
            traceparent=visit.traceparent,
        )
    except AppointmentUnknown as error:
        raise not_found() from error
    return await _answer(visit, booked, "cancelled")


def _new(new: NewAppointmentIn) -> NewAppointment:
    return NewAppointment(
        external_id=new.external_id,
        client_external_id=new.client_external_id,
        client_name=Phi(new.client_name),
        client_email=Phi(new.client_email) if new.client_email else None,
        client_phone=Phi(new.client_phone) if new.client_phone else None,
        client_timezone=new.client_timezone,
        client_language=new.client_language,
        clinician_email=new.clinician_email,
        starts_at=new.starts_at,
        duration_min=new.duration_min,
    )


async def _answer(visit: Visit, booked: Booked, done: str, http: int = 200) -> Response:
    async with visit.reading() as connection:
        found = await _read(connection, booked.appointment_id)
        if booked.change != "unchanged":
            await visit.note(connection, f"appointment.{done}", found.id)
    headers = {"location": f"/v1/appointments/{found.id}"} if http == 201 else {}
    return Response(found.model_dump_json(), http, headers, "application/json")


async def _read(connection: Connection, appointment_id: UUID) -> Appointment:
    row = await connection.fetchrow(_COLUMNS + " where a.id = $1", appointment_id)
    if row is None:
        raise not_found()
    return Appointment(**dict(row))
