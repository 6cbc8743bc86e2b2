"""An appointment's mails, each written in the same transaction as the change that it tells of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import NewDelivery, enqueue, record
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


async def write_mail(
    connection: Connection,
    desk: MailDesk,
    appointment: Appointment,
    kind: AppointmentKind,
    reminder: Reminder | None = None,
    *,
    instead_of: UUID | None = None,
) -> UUID | None:
    """The mail's delivery; None if none is written, and then the timeline says why. A second time
    changes nothing. `instead_of` is the text in whose place it goes."""
    if (why_not := _why_not(appointment, desk.now)) is not None:
        await _skip(connection, appointment, kind, desk, why_not)
        return None
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
            idempotency_key=(
                mail_key(mail.kind, appointment, reminder)
                if instead_of is None
                else f"email/{mail.kind}/instead/{instead_of}"
            ),
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
    return delivery_id


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
