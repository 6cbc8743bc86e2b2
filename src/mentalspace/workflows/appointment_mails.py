"""Which mails an appointment's change means, written in the same transaction as the change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import NewDelivery, cancel_pending, enqueue, record
from mentalspace.engine.secrets import Vault
from mentalspace.integrations.email.model import Mail
from mentalspace.integrations.email.render import appointment_mail
from mentalspace.kernel.integration import LaneClass
from mentalspace.practice.appointment import Appointment
from mentalspace.practice.reminder import Reminder
from mentalspace.practice.saying.facts import (
    AppointmentFacts,
    AppointmentKind,
    Sender,
    language_of,
)
from mentalspace.workflows.appointment_links import LinkDesk
from mentalspace.workflows.appointment_reminders import (
    Rewriting,
    first_reminders,
    rewritten_reminders,
)

APPOINTMENT_MAILS = (
    "appointment_created",
    "appointment_updated",
    "appointment_cancelled",
    "reminder",
)


@dataclass(frozen=True, slots=True)
class MailDesk:
    """What writing a mail needs besides the appointment. `credential_id` and `bypass_guard`
    are for drills, which send through an account of their own, as is a `note` in the place of the
    practice's own line; `traceparent` is the request's. `further` says for how many later dates
    of its series one mail speaks; None that another mail has spoken for this one, which then
    has its reminders alone."""

    vault: Vault
    sender: Sender
    now: datetime
    actor: str
    links: LinkDesk
    credential_id: UUID | None = None
    bypass_guard: bool = False
    traceparent: str | None = None
    note: str | None = None
    further: int | None = 0


async def tell_booked(connection: Connection, desk: MailDesk, appointment: Appointment) -> None:
    if desk.further is not None:
        await _write(connection, desk, appointment, "created")
    await _remind(connection, desk, appointment)


async def tell_moved(connection: Connection, desk: MailDesk, appointment: Appointment) -> None:
    await _drop_pending(connection, desk, appointment)
    await _write(connection, desk, appointment, "updated")
    await _remind(connection, desk, appointment)


async def tell_cancelled(connection: Connection, desk: MailDesk, appointment: Appointment) -> None:
    await _drop_pending(connection, desk, appointment)
    if desk.further is not None:
        await _write(connection, desk, appointment, "cancelled")


async def remind_anew(
    connection: Connection, desk: MailDesk, appointment: Appointment, why: Rewriting
) -> None:
    """Write again what of the waiting reminders no longer holds, for a reason of ours."""
    anew = await rewritten_reminders(connection, appointment, why, now=desk.now, actor=desk.actor)
    renewed = replace(appointment, rewrites=anew.rewrites)
    for reminder in anew.reminders:
        await _write(connection, desk, renewed, "reminder", reminder)


async def _drop_pending(connection: Connection, desk: MailDesk, appointment: Appointment) -> None:
    """What has not left yet speaks of a time that no longer holds."""
    for kind in APPOINTMENT_MAILS:
        await cancel_pending(
            connection,
            appointment.id,
            kind=kind,
            reason="the appointment changed",
            actor=desk.actor,
        )


async def _remind(connection: Connection, desk: MailDesk, appointment: Appointment) -> None:
    """The reminders of an hour the client is being told of just now."""
    if _why_not(appointment, desk.now) is None:
        for reminder in await first_reminders(connection, appointment, desk.now):
            await _write(connection, desk, appointment, "reminder", reminder)


async def _write(
    connection: Connection,
    desk: MailDesk,
    appointment: Appointment,
    kind: AppointmentKind,
    reminder: Reminder | None = None,
) -> None:
    if (why_not := _why_not(appointment, desk.now)) is not None:
        await _skip(connection, appointment, kind, desk, why_not)
        return
    assert appointment.client_email is not None
    due_at = None if reminder is None else reminder.due_at
    mail = compose(desk, appointment, kind)
    if mail.findings():
        due_at = None  # the guard refuses it now, while there is time to tell the client otherwise
    lane_class: LaneClass = "bulk" if kind == "reminder" else "interactive"
    delivery_id = await enqueue(
        connection,
        desk.vault,
        NewDelivery(
            practice_id=appointment.practice_id,
            integration="email",
            lane_class=lane_class,
            kind=mail.kind,
            idempotency_key=mail_key(mail.kind, appointment, reminder),
            payload=mail.to_bytes(),
            recipient=appointment.client_email,
            due_at=due_at,
            expires_at=appointment.starts_at if reminder is None else reminder.expires_at,
            subject_type="appointment",
            subject_id=appointment.id,
            client_id=appointment.client_id,
            drill=appointment.drill,
            credential_id=desk.credential_id,
            bypass_guard=desk.bypass_guard,
            traceparent=desk.traceparent,
        ),
    )
    await connection.execute(
        "insert into appointment_notifications (practice_id, appointment_id, delivery_id,"
        " notification_type, recipient_email, status, delivery_status, error_message, for_start,"
        " lead_min) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        " on conflict (delivery_id) do nothing",
        appointment.practice_id,
        appointment.id,
        delivery_id,
        kind,
        mail.to,
        "pending" if delivery_id else "failed",
        "pending" if delivery_id else None,
        None if delivery_id else "the practice has no e-mail credential",
        None if reminder is None else appointment.starts_at,
        None if reminder is None else reminder.lead_min,
    )


def compose(desk: MailDesk, appointment: Appointment, kind: AppointmentKind) -> Mail:
    """The mail as it will be frozen. Its client has an address."""
    assert appointment.client_email is not None
    language = language_of(appointment.language)
    return appointment_mail(
        kind,
        AppointmentFacts(
            appointment_id=appointment.id,
            version=appointment.version,
            written_at=desk.now,
            starts_at=appointment.starts_at,
            duration_min=appointment.duration_min,
            timezone=appointment.timezone,
            language=language,
            practice_name=appointment.practice_name,
            practice_phone=appointment.practice_phone,
            note=appointment.practice_notes.get(language, "") if desk.note is None else desk.note,
            links=None if kind == "cancelled" else desk.links.of(appointment),
            further=desk.further or 0,
        ),
        appointment.client_email.reveal(),
        desk.sender,
        must_not_say=(appointment.client_name.reveal(),),
    )


def mail_key(kind: str, appointment: Appointment, reminder: Reminder | None) -> str:
    """One mail for each change the client hears of; one reminder for each lead of it."""
    key = f"email/{kind}/{appointment.id}/{appointment.version}"
    return key if reminder is None else f"{key}.{appointment.rewrites}/{reminder.lead_min}"


def _why_not(appointment: Appointment, now: datetime) -> str | None:
    """Why nobody can be written to about it; None if somebody can."""
    if appointment.client_email is None:
        return "no address"
    return "it lies in the past" if appointment.starts_at <= now else None


async def _skip(
    connection: Connection, appointment: Appointment, kind: str, desk: MailDesk, why_not: str
) -> None:
    """Say why nobody is written to: silence would look like a mail that got lost."""
    await record(
        connection,
        "mail_not_written",
        practice_id=appointment.practice_id,
        data={"appointment": str(appointment.id), "kind": kind, "reason": why_not},
        actor=desk.actor,
        drill=appointment.drill,
    )
