"""An appointment's texts, each written in the same transaction as the change that it tells of."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import NewDelivery, enqueue, record
from mentalspace.integrations.sms.model import Text
from mentalspace.integrations.sms.number import NotANumber, normalise
from mentalspace.integrations.sms.render import appointment_text
from mentalspace.kernel.integration import LaneClass
from mentalspace.practice.appointment import Appointment
from mentalspace.practice.quiet_hours import quiet_hours
from mentalspace.practice.reminder import Reminder
from mentalspace.practice.saying.facts import AppointmentFacts, AppointmentKind, language_of
from mentalspace.workflows.appointment_mails import MailDesk
from mentalspace.workflows.number_lookup import PATIENCE, awaits_kind

_KNOWN_NUMBER = """
select exists (select from notification_logs
                where practice_id = $1 and recipient_phone = $2 and delivery_id is not null)
"""
_PROJECT = """
insert into notification_logs (practice_id, recipient_id, recipient_phone, notification_type,
  related_entity_type, related_entity_id, status, delivery_status, error_message, delivery_id,
  appointment_id, occasion, version, for_start, lead_min)
values ($1, $2, $3, 'sms', 'appointment', $4, $5, $6, $7, $8, $4, $9, $10, $11, $12)
on conflict (delivery_id) do nothing
"""
# What was learned of the number goes before what its digits tell.
_NUMBER = """
update client c set phone_e164 = $2, phone_kind = coalesce(l.kind, $3),
       phone_problem = coalesce(
         $4, case when coalesce(l.kind, $3) = 'landline' then 'landline' end),
       phone_checked_at = app.now()
  from client k left join phone_line l on l.practice_id = k.practice_id and l.e164 = $2
 where c.id = $1 and k.id = c.id returning c.phone_problem
"""


async def write_text(
    connection: Connection,
    desk: MailDesk,
    appointment: Appointment,
    kind: AppointmentKind,
    reminder: Reminder | None = None,
) -> None:
    """The client can be texted. A second time changes nothing."""
    if appointment.starts_at <= desk.now:
        await text_not_written(connection, desk, appointment, kind, "it lies in the past")
        return
    number = appointment.reach.number
    assert number is not None
    first = not await connection.fetchval(_KNOWN_NUMBER, appointment.practice_id, number.reveal())
    leaves_at = desk.now if reminder is None else reminder.due_at
    text = compose_text(desk, appointment, kind, leaves_at, first=first)
    waits = appointment.drill is None and await awaits_kind(
        connection, appointment.practice_id, number.reveal(), appointment.reach.kind
    )
    lane_class: LaneClass = "bulk" if kind == "reminder" else "interactive"
    delivery_id = await enqueue(
        connection,
        desk.vault,
        NewDelivery(
            practice_id=appointment.practice_id,
            integration="sms",
            lane_class=lane_class,
            kind=text.kind,
            idempotency_key=text_key(text.kind, appointment, reminder),
            payload=text.to_bytes(),
            recipient=number,
            due_at=None if text.findings() else _due_at(desk.now, reminder, waits=waits),
            expires_at=appointment.starts_at if reminder is None else reminder.expires_at,
            subject_type="appointment",
            subject_id=appointment.id,
            client_id=appointment.client_id,
            drill=appointment.drill,
            traceparent=desk.traceparent,
            hours=quiet_hours(
                number.reveal(),
                leaves_at.date(),
                client_zone=appointment.reach.client_zone,
                practice_zone=appointment.reach.practice_zone,
                number_zones=normalise(number.reveal()).zones,
            ),
        ),
    )
    await connection.execute(
        _PROJECT,
        appointment.practice_id,
        appointment.client_id,
        number.reveal(),
        appointment.id,
        "pending" if delivery_id else "failed",
        "pending" if delivery_id else None,
        None if delivery_id else "the practice has no SMS credential",
        delivery_id,
        kind,
        appointment.version,
        None if reminder is None else appointment.starts_at,
        None if reminder is None else reminder.lead_min,
    )


def _due_at(now: datetime, reminder: Reminder | None, *, waits: bool) -> datetime | None:
    """`waits`: not before it should be known whether the number takes texts."""
    if not waits:
        return None if reminder is None else reminder.due_at
    known_at = now + PATIENCE
    return known_at if reminder is None else max(reminder.due_at, known_at)


def compose_text(
    desk: MailDesk,
    appointment: Appointment,
    kind: AppointmentKind,
    leaves_at: datetime,
    *,
    first: bool,
) -> Text:
    """The text as it will be frozen. Its client has a number."""
    assert appointment.reach.number is not None
    cancel_until = appointment.starts_at - timedelta(hours=appointment.reach.cancel_before_h)
    return appointment_text(
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
            further=desk.further or 0,
        ),
        appointment.reach.number.reveal(),
        may_cancel=leaves_at < cancel_until,
        first=first,
        must_not_say=(appointment.client_name.reveal(),),
    )


def text_key(kind: str, appointment: Appointment, reminder: Reminder | None) -> str:
    """One text for each change the client hears of; one reminder for each lead of it."""
    key = f"sms/{kind}/{appointment.id}/{appointment.version}"
    return key if reminder is None else f"{key}.{appointment.rewrites}/{reminder.lead_min}"


async def text_not_written(
    connection: Connection, desk: MailDesk, appointment: Appointment, kind: str, why_not: str
) -> None:
    """Say why nobody is texted: silence would look like a text that got lost."""
    await record(
        connection,
        "text_not_written",
        practice_id=appointment.practice_id,
        data={"appointment": str(appointment.id), "kind": kind, "reason": why_not},
        actor=desk.actor,
        drill=appointment.drill,
    )


async def note_number(connection: Connection, client_id: UUID, raw: str) -> str | None:
    """Keep beside what was typed how it is dialled; the code of what is wrong with it, if
    something is. What cannot be dialled stops nothing else."""
    noted: tuple[str | None, str | None, str | None]
    try:
        number = normalise(raw)
        noted = (number.e164, number.kind, None)
    except NotANumber as error:
        noted = (None, None, error.code)
    problem: str | None = await connection.fetchval(_NUMBER, client_id, *noted)
    return problem
