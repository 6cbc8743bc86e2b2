"""Keeps the reminders that wait for an appointment what the rules, the client and the hour ask for.

A reminder goes once by each way: the database holds one for each appointment, hour, lead and way.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import cancel_deliveries
from mentalspace.practice.appointment import Appointment
from mentalspace.practice.reminder import Reminder, plan_reminders

# So soon after a mail about the same appointment a reminder would only repeat it.
QUIET_AFTER_MAIL = timedelta(minutes=60)

_STATE = """
select case when k.reminders then coalesce(k.reminder_leads, r.leads_min, '{1440}')
            else '{}' end as leads_min,
       coalesce(r.revision, 0) as revision,
       greatest(
         (select max(n.created_at) from appointment_notifications n
           where n.appointment_id = a.id and n.notification_type <> 'reminder'
             and n.status in ('pending', 'sent')),
         (select max(n.created_at) from notification_logs n
           where n.appointment_id = a.id and n.occasion <> 'reminder'
             and n.status in ('pending', 'sent', 'delivered'))) as told_at
  from appointment a join client k on k.id = a.client_id
  left join reminder_policy r on r.practice_id = a.practice_id
 where a.id = $1
"""
_LIVE = """
select n.lead_min, n.delivery_id, d.due_at, d.expires_at,
       d.status in ('pending', 'due', 'held') as waits
  from {table} n join delivery d on d.id = n.delivery_id
 where n.appointment_id = $1 and n.for_start = $2 and n.lead_min is not null
   and n.status in ('pending', 'sent', 'delivered') and d.integration = $3
"""


@dataclass(frozen=True, slots=True)
class Way:
    """How reminders go: by which integration, and the table that knows which of them live."""

    integration: str
    table: str

    @property
    def live(self) -> str:
        return _LIVE.format(table=self.table)


BY_EMAIL = Way("email", "appointment_notifications")
BY_TEXT = Way("sms", "notification_logs")


@dataclass(frozen=True, slots=True)
class Rewriting:
    """Why what waits is looked at again. `everything`: even a reminder whose time stays is
    written anew, because what it says has changed."""

    reason: str
    everything: bool


REACHED_ELSEWHERE = Rewriting("the client is reached elsewhere", everything=True)
RULES_CHANGED = Rewriting("the rules for reminders changed", everything=False)
CLIENT_CHOSE = Rewriting("the client chose otherwise", everything=False)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """`rewrites` goes into the keys of those to be written."""

    reminders: tuple[Reminder, ...]
    rewrites: int


async def first_reminders(
    connection: Connection, appointment: Appointment, way: Way, now: datetime
) -> tuple[Reminder, ...]:
    """Those of an hour the client has just been told of: none that is due within the quiet
    that follows, nor one that has left before for this same hour."""
    state = await _state(connection, appointment.id)
    live = await _live(connection, appointment, way)
    left = {row["lead_min"] for row in live}
    return tuple(
        reminder
        for reminder in _plan(appointment, state)
        if reminder.due_at > now + QUIET_AFTER_MAIL and reminder.lead_min not in left
    )


async def rewritten_reminders(
    connection: Connection,
    appointment: Appointment,
    way: Way,
    why: Rewriting,
    *,
    wanted: bool,
    now: datetime,
    actor: str,
) -> Rewritten:
    """Cancel what should wait no longer; what is to be written in its place. The caller has
    locked the appointment before it read it.

    One whose time has come stays useful until it expires, if it was waiting; one that would
    have been due earlier is not made up for. `wanted` says whether any are to go this way.
    """
    state = await _state(connection, appointment.id)
    comes = appointment.status == "scheduled" and appointment.starts_at > now
    plan = _plan(appointment, state) if wanted and comes else ()
    planned = {r.lead_min: r for r in plan}
    live = {row["lead_min"]: row for row in await _live(connection, appointment, way)}
    dropped = {
        row["delivery_id"]: lead
        for lead, row in live.items()
        if row["waits"] and (why.everything or not _stays(row, planned.get(lead)))
    }
    gone = await cancel_deliveries(connection, list(dropped), reason=why.reason, actor=actor)
    cancelled = {dropped[delivery_id] for delivery_id in gone}
    kept = live.keys() - cancelled
    after = max(now, state["told_at"] + QUIET_AFTER_MAIL) if state["told_at"] else now
    written = tuple(
        r
        for r in plan
        if r.lead_min not in kept
        and (r.due_at > after or (r.lead_min in cancelled and r.expires_at > now))
    )
    rewrites = await connection.fetchval(
        "update appointment set rules_revision = $2, rewrites = rewrites + $3 where id = $1"
        " returning rewrites",
        appointment.id,
        state["revision"],
        1 if written else 0,
    )
    return Rewritten(written, rewrites)


async def _state(connection: Connection, appointment_id: UUID) -> Any:
    row = await connection.fetchrow(_STATE, appointment_id)
    assert row is not None
    return row


def _plan(appointment: Appointment, state: Any) -> tuple[Reminder, ...]:
    return plan_reminders(appointment.starts_at, appointment.timezone, state["leads_min"])


async def _live(connection: Connection, appointment: Appointment, way: Way) -> list[Any]:
    rows: list[Any] = await connection.fetch(
        way.live, appointment.id, appointment.starts_at, way.integration
    )
    return rows


def _stays(row: Any, wanted: Reminder | None) -> bool:
    return wanted is not None and (row["due_at"], row["expires_at"]) == (
        wanted.due_at,
        wanted.expires_at,
    )
