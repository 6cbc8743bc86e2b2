"""What a client says of an appointment takes effect once, whichever way they said it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record
from mentalspace.practice.audit import note
from mentalspace.practice.reminder_policy import CANCEL_BEFORE_H
from mentalspace.workflows.appointment_mails import MailDesk
from mentalspace.workflows.appointments import cancel_within

_READ = f"""
select a.id, a.practice_id, a.client_id, a.version, a.starts_at, a.duration_min, a.status,
       a.confirmed_at, a.drill, coalesce(k.timezone, p.timezone) as timezone, k.language,
       k.email, p.name as practice_name, p.phone as practice_phone,
       p.timezone as practice_timezone,
       coalesce(r.cancel_before_h, {CANCEL_BEFORE_H}) as cancel_before_h
  from appointment a join client k on k.id = a.client_id join practice p on p.id = a.practice_id
  left join reminder_policy r on r.practice_id = a.practice_id
 where a.id = $1
"""


async def read_asked(connection: Connection, appointment_id: UUID, *, lock: bool = False) -> Any:
    """The appointment, its client's and its practice's, as an answer needs them."""
    row = await connection.fetchrow(f"{_READ} for update of a" if lock else _READ, appointment_id)
    assert row is not None
    return row


def cancel_until(row: Any) -> datetime:
    """The last instant at which the practice lets a client cancel by themselves."""
    until: datetime = row["starts_at"] - timedelta(hours=row["cancel_before_h"])
    return until


async def confirm_asked(connection: Connection, row: Any, actor: str) -> None:
    """The client comes."""
    await connection.execute(
        "update appointment set confirmed_at = app.now() where id = $1", row["id"]
    )
    await _note(connection, row, "confirmed", actor)


async def call_off_asked(connection: Connection, desk: MailDesk, row: Any, actor: str) -> None:
    """The client does not come: what waits is cancelled, and the front desk asked to take it out
    of their calendar."""
    await cancel_within(connection, replace(desk, actor=actor), row["id"], by="client")
    await _ask_front_desk(connection, row)
    await _note(connection, row, "cancelled", actor)


async def _note(
    connection: Connection, row: Any, what: Literal["confirmed", "cancelled"], actor: str
) -> None:
    await record(
        connection,
        f"appointment_{what}",
        practice_id=row["practice_id"],
        data={"appointment": str(row["id"])},
        actor=actor,
        drill=row["drill"],
    )
    await note(
        connection,
        actor,
        f"appointment.{what}",
        practice_id=row["practice_id"],
        subject=row["id"],
    )


async def _ask_front_desk(connection: Connection, row: Any) -> None:
    local = row["starts_at"].astimezone(ZoneInfo(row["practice_timezone"]))
    await connection.execute(
        "insert into task (practice_id, for_role, text, client_id, drill)"
        " values ($1, 'front_desk', $2, $3, $4)",
        row["practice_id"],
        f"Take out of your calendar what the client cancelled: {local:%A, %B} {local.day},"
        f" {local:%H:%M}",
        row["client_id"],
        row["drill"],
    )
