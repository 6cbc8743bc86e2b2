"""Which mails an appointment's change means, written in the same transaction as the change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import NewDelivery, cancel_pending, enqueue, record
from mentalspace.engine.secrets import Vault
from mentalspace.integrations.email.facts import (
    AppointmentFacts,
    AppointmentKind,
    Sender,
    language_of,
)
from mentalspace.integrations.email.render import appointment_mail
from mentalspace.kernel.integration import LaneClass
from mentalspace.practice.appointment import Appointment

REMINDER_LEAD = timedelta(hours=24)
APPOINTMENT_MAILS = (
    "appointment_created",
    "appointment_updated",
    "appointment_cancelled",
    "reminder",
)


@dataclass(frozen=True, slots=True)
class MailDesk:
    """What writing a mail needs besides the appointment. `credential_id` and `bypass_guard`
    are for drills, which send through an account of their own; `traceparent` is the request's."""

    vault: Vault
    sender: Sender
    now: datetime
    actor: str
    credential_id: UUID | None = None
    bypass_guard: bool = False
    traceparent: str | None = None


async def tell_booked(connection: Connection, desk: MailDesk, appointment: Appointment) -> None:
    await _write(connection, desk, appointment, "created")
    await _remind(connection, desk, appointment)


async def tell_moved(connection: Connection, desk: MailDesk, appointment: Appointment) -> None:
    await _drop_pending(connection, desk, appointment)
    await _write(connection, desk, appointment, "updated")
    await _remind(connection, desk, appointment)


async def tell_cancelled(connection: Connection, desk: MailDesk, appointment: Appointment) -> None:
    await _drop_pending(connection, desk, appointment)
    await _write(connection, desk, appointment, "cancelled")


async def remind_anew(connection: Connection, desk: MailDesk, appointment: Appointment) -> None:
    """Write a waiting reminder again: its client is reached elsewhere, or in another zone."""
    dropped = await cancel_pending(
        connection,
        appointment.id,
        kind="reminder",
        reason="the client is reached elsewhere",
        actor=desk.actor,
    )
    if dropped:
        await _remind(connection, desk, appointment)


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
    """One reminder a day ahead; none when the booking itself comes later than that."""
    due_at = appointment.starts_at - REMINDER_LEAD
    if due_at > desk.now:
        await _write(connection, desk, appointment, "reminder", due_at)


async def _write(
    connection: Connection,
    desk: MailDesk,
    appointment: Appointment,
    kind: AppointmentKind,
    due_at: datetime | None = None,
) -> None:
    if appointment.client_email is None or appointment.starts_at <= desk.now:
        await _skip(connection, appointment, kind, desk)
        return
    mail = appointment_mail(
        kind,
        AppointmentFacts(
            appointment_id=appointment.id,
            version=appointment.version,
            written_at=desk.now,
            starts_at=appointment.starts_at,
            duration_min=appointment.duration_min,
            timezone=appointment.timezone,
            language=language_of(appointment.language),
            practice_name=appointment.practice_name,
            practice_phone=appointment.practice_phone,
            lead=None if due_at is None else appointment.starts_at - due_at,
        ),
        appointment.client_email.reveal(),
        desk.sender,
    )
    lane_class: LaneClass = "bulk" if kind == "reminder" else "interactive"
    delivery_id = await enqueue(
        connection,
        desk.vault,
        NewDelivery(
            practice_id=appointment.practice_id,
            integration="email",
            lane_class=lane_class,
            kind=mail.kind,
            idempotency_key=f"email/{mail.kind}/{appointment.id}/{appointment.version}",
            payload=mail.to_bytes(),
            recipient=appointment.client_email,
            due_at=due_at,
            expires_at=appointment.starts_at,
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
        " notification_type, recipient_email, status, delivery_status, error_message)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (delivery_id) do nothing",
        appointment.practice_id,
        appointment.id,
        delivery_id,
        kind,
        mail.to,
        "pending" if delivery_id else "failed",
        "pending" if delivery_id else None,
        None if delivery_id else "the practice has no e-mail credential",
    )


async def _skip(
    connection: Connection, appointment: Appointment, kind: str, desk: MailDesk
) -> None:
    """Say why nobody is written to: silence would look like a mail that got lost."""
    reason = "no address" if appointment.client_email is None else "it lies in the past"
    await record(
        connection,
        "mail_not_written",
        practice_id=appointment.practice_id,
        data={"appointment": str(appointment.id), "kind": kind, "reason": reason},
        actor=desk.actor,
        drill=appointment.drill,
    )
