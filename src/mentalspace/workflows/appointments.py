"""Booking, moving and cancelling: one transaction each, with the mails and texts they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.services import Services
from mentalspace.kernel.errors import MentalSpaceError
from mentalspace.practice.appointment import (
    Appointment,
    NewAppointment,
    change_appointment,
    coming_appointments,
    find_appointment,
    find_by_external_id,
    insert_appointment,
    save_client,
)
from mentalspace.workflows.appointment_links import link_desk
from mentalspace.workflows.appointment_mails import MailDesk
from mentalspace.workflows.appointment_news import (
    remind_anew,
    tell_booked,
    tell_cancelled,
    tell_moved,
)
from mentalspace.workflows.appointment_reminders import REACHED_ELSEWHERE, Rewriting
from mentalspace.workflows.appointment_texts import note_number
from mentalspace.workflows.mail_sender import sender_of


class AppointmentUnknown(MentalSpaceError):
    """No appointment of this practice has that id."""


class AppointmentExists(MentalSpaceError):
    """The practice's calendar has an appointment under that external id."""


class AppointmentCancelled(MentalSpaceError):
    """A cancelled appointment is not moved; book a new one."""


@dataclass(frozen=True, slots=True)
class Booked:
    """`change` says what happened to the row: new, changed, cancelled or unchanged."""

    appointment_id: UUID
    change: str
    version: int


Claims = Mapping[str, Any]


async def book(
    services: Services, claims: Claims, new: NewAppointment, *, traceparent: str | None = None
) -> Booked:
    """A new appointment; raises AppointmentExists. Its mails carry on the request's trace."""
    async with services.database.as_user(claims) as connection:
        practice_id = UUID(str(claims["practice"]))
        desk = mail_desk(services, claims, traceparent)
        client_id = await _client(connection, desk, practice_id, new)
        appointment_id = await insert_appointment(connection, practice_id, client_id, new)
        if appointment_id is None:
            raise AppointmentExists("an appointment with this external_id is in the calendar")
        appointment = await _found(connection, appointment_id)
        if appointment.status == "scheduled":
            await tell_booked(connection, desk, appointment)
        return Booked(appointment_id, "new", appointment.version)


async def reschedule(
    services: Services,
    claims: Claims,
    appointment_id: UUID,
    *,
    starts_at: datetime,
    duration_min: int | None = None,
    traceparent: str | None = None,
) -> Booked:
    """Another time. What was pending for the old one is cancelled, and the client told."""
    async with services.database.as_user(claims) as connection:
        before = await _found(connection, appointment_id)
        if before.status == "cancelled":
            raise AppointmentCancelled("the appointment is cancelled; book a new one")
        return await _change(
            connection,
            mail_desk(services, claims, traceparent),
            appointment_id,
            starts_at=starts_at,
            duration_min=duration_min or before.duration_min,
            status="scheduled",
        )


async def cancel(
    services: Services, claims: Claims, appointment_id: UUID, *, traceparent: str | None = None
) -> Booked:
    """Cancelling twice changes nothing."""
    async with services.database.as_user(claims) as connection:
        return await cancel_within(
            connection, mail_desk(services, claims, traceparent), appointment_id
        )


async def cancel_within(
    connection: Connection, desk: MailDesk, appointment_id: UUID, *, by: str | None = None
) -> Booked:
    """In the caller's transaction. `by` says that it was the client."""
    before = await _found(connection, appointment_id)
    return await _change(
        connection,
        desk,
        appointment_id,
        starts_at=before.starts_at,
        duration_min=before.duration_min,
        status="cancelled",
        cancelled_by=by,
    )


async def land(
    connection: Connection, desk: MailDesk, practice_id: UUID, new: NewAppointment
) -> Booked:
    """Make the calendar say what a file says; a second time it changes nothing."""
    client_id = await _client(connection, desk, practice_id, new)
    known = await find_by_external_id(connection, practice_id, new.external_id)
    if known is None:
        appointment_id = await insert_appointment(connection, practice_id, client_id, new)
        if appointment_id is not None:
            appointment = await _found(connection, appointment_id)
            if appointment.status == "scheduled":
                await tell_booked(connection, desk, appointment)
            return Booked(appointment_id, "new", appointment.version)
        known = await find_by_external_id(connection, practice_id, new.external_id)
        assert known is not None
    if _cancelled_by_client(known, new):
        return Booked(known["id"], "unchanged", known["version"])
    return await _change(
        connection,
        desk,
        known["id"],
        starts_at=new.starts_at,
        duration_min=new.duration_min,
        status=new.status,
    )


def _cancelled_by_client(known: Any, new: NewAppointment) -> bool:
    """The practice's own calendar does not know yet that the client will not come."""
    return bool(known["cancelled_by"] == "client" and known["starts_at"] == new.starts_at)


async def remind_client_anew(
    connection: Connection, desk: MailDesk, client_id: UUID, why: Rewriting
) -> None:
    """Bring the reminders of a client's coming appointments up to date."""
    for appointment_id in await coming_appointments(connection, client_id):
        await remind_anew(connection, desk, await _found(connection, appointment_id), why)


async def _client(
    connection: Connection, desk: MailDesk, practice_id: UUID, new: NewAppointment
) -> UUID:
    """The client, brought up to date; reminders that wait follow them to a new address."""
    client = await save_client(connection, practice_id, new)
    if new.client_phone is not None:
        await note_number(connection, client.id, new.client_phone.reveal())
    if client.moved:
        await remind_client_anew(connection, desk, client.id, REACHED_ELSEWHERE)
    return client.id


async def _change(
    connection: Connection,
    desk: MailDesk,
    appointment_id: UUID,
    *,
    starts_at: datetime,
    duration_min: int,
    status: str,
    cancelled_by: str | None = None,
) -> Booked:
    changed = await change_appointment(
        connection,
        appointment_id,
        starts_at=starts_at,
        duration_min=duration_min,
        status=status,
        cancelled_by=cancelled_by,
    )
    appointment = await _found(connection, appointment_id)
    if not changed:
        return Booked(appointment_id, "unchanged", appointment.version)
    if status == "cancelled":
        await tell_cancelled(connection, desk, appointment)
        return Booked(appointment_id, "cancelled", appointment.version)
    await tell_moved(connection, desk, appointment)
    return Booked(appointment_id, "changed", appointment.version)


def mail_desk(services: Services, claims: Claims, traceparent: str | None = None) -> MailDesk:
    return MailDesk(
        vault=services.vault,
        sender=sender_of(services),
        now=services.clock.now(),
        actor=str(claims.get("sub", "system")),
        traceparent=traceparent,
        links=link_desk(services),
    )


async def _found(connection: Connection, appointment_id: UUID) -> Appointment:
    appointment = await find_appointment(connection, appointment_id)
    if appointment is None:
        raise AppointmentUnknown("there is no such appointment")
    return appointment
