"""What an appointment's change means for its client: which news, and by which ways they go."""

from __future__ import annotations

from dataclasses import replace

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import cancel_pending
from mentalspace.practice.appointment import Appointment
from mentalspace.practice.reach import Ways, chosen_way, ways_of
from mentalspace.practice.reminder import Reminder
from mentalspace.practice.saying.facts import AppointmentKind
from mentalspace.practice.text_consent import why_not_texted
from mentalspace.workflows.appointment_mails import MailDesk, write_mail
from mentalspace.workflows.appointment_reminders import (
    BY_EMAIL,
    BY_TEXT,
    Rewriting,
    Way,
    first_reminders,
    rewritten_reminders,
)
from mentalspace.workflows.appointment_texts import text_not_written, write_text

APPOINTMENT_NEWS = (
    "appointment_created",
    "appointment_updated",
    "appointment_cancelled",
    "reminder",
)


async def tell_booked(connection: Connection, desk: MailDesk, appointment: Appointment) -> None:
    if desk.further is not None:
        await _tell(connection, desk, appointment, "created")
    await _remind(connection, desk, appointment)


async def tell_moved(connection: Connection, desk: MailDesk, appointment: Appointment) -> None:
    await _drop_pending(connection, desk, appointment)
    await _tell(connection, desk, appointment, "updated")
    await _remind(connection, desk, appointment)


async def tell_cancelled(connection: Connection, desk: MailDesk, appointment: Appointment) -> None:
    await _drop_pending(connection, desk, appointment)
    if desk.further is not None:
        await _tell(connection, desk, appointment, "cancelled")


async def remind_anew(
    connection: Connection, desk: MailDesk, appointment: Appointment, why: Rewriting
) -> None:
    """Write again what of the waiting reminders no longer holds, for a reason of ours."""
    ways = await _ways(connection, desk, appointment, "reminder")
    reachable = ways.email and appointment.client_email is not None
    for way, wanted in ((BY_TEXT, ways.text), (BY_EMAIL, reachable)):
        anew = await rewritten_reminders(
            connection, appointment, way, why, wanted=wanted, now=desk.now, actor=desk.actor
        )
        renewed = replace(appointment, rewrites=anew.rewrites)
        for reminder in anew.reminders:
            await _write(connection, desk, renewed, way, "reminder", reminder)


async def _tell(
    connection: Connection, desk: MailDesk, appointment: Appointment, kind: AppointmentKind
) -> None:
    ways = await _ways(connection, desk, appointment, kind)
    if ways.why_no_text is not None:
        await text_not_written(connection, desk, appointment, kind, ways.why_no_text)
    if ways.text:
        await _write(connection, desk, appointment, BY_TEXT, kind)
    if ways.email:
        await _write(connection, desk, appointment, BY_EMAIL, kind)


async def _ways(
    connection: Connection, desk: MailDesk, appointment: Appointment, kind: AppointmentKind
) -> Ways:
    """The ledger is asked only where a text could be written."""
    reach = appointment.reach
    if reach.number is None or chosen_way(reach, kind) == "email":
        return ways_of(reach, kind)
    practice_id = appointment.practice_id
    key = desk.vault.recipient_key(practice_id, reach.number.reveal())
    stopped = await why_not_texted(connection, practice_id, appointment.client_id, key)
    return ways_of(replace(reach, stopped=stopped), kind)


async def _remind(connection: Connection, desk: MailDesk, appointment: Appointment) -> None:
    """The reminders of an hour the client is being told of just now."""
    ways = await _ways(connection, desk, appointment, "reminder")
    reachable = ways.email and appointment.client_email is not None
    if appointment.starts_at <= desk.now:
        return
    if ways.why_no_text is not None:
        await text_not_written(connection, desk, appointment, "reminder", ways.why_no_text)
    for way, wanted in ((BY_TEXT, ways.text), (BY_EMAIL, reachable)):
        if wanted:
            for reminder in await first_reminders(connection, appointment, way, desk.now):
                await _write(connection, desk, appointment, way, "reminder", reminder)


async def _write(
    connection: Connection,
    desk: MailDesk,
    appointment: Appointment,
    way: Way,
    kind: AppointmentKind,
    reminder: Reminder | None = None,
) -> None:
    if way is BY_TEXT:
        await write_text(connection, desk, appointment, kind, reminder)
    else:
        await write_mail(connection, desk, appointment, kind, reminder)


async def _drop_pending(connection: Connection, desk: MailDesk, appointment: Appointment) -> None:
    """What has not left yet speaks of a time that no longer holds."""
    for kind in APPOINTMENT_NEWS:
        await cancel_pending(
            connection,
            appointment.id,
            kind=kind,
            reason="the appointment changed",
            actor=desk.actor,
        )
