"""What else a morning holds: whom nothing may be sent to, texts to read, and texts that wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.hours import Hours, next_opening
from mentalspace.engine.secrets import Vault
from mentalspace.practice.consent import read_standing_keys


@dataclass(frozen=True, slots=True)
class Silent:
    """A client whom neither a mail nor a text may reach, and when they come next."""

    id: UUID
    name: str
    phone: str | None
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class Unread:
    """A conversation that a person must look at. `client_id` is None for a number that is not
    known to be one client's; `late` says that somebody wanted to cancel too late for that."""

    client_id: UUID | None
    name: str | None
    texts: int
    at: datetime
    late: bool


@dataclass(frozen=True, slots=True)
class Resting:
    """A text about an appointment that would have left but for the hour; `until` it may."""

    delivery_id: UUID
    client_id: UUID
    name: str
    starts_at: datetime
    until: datetime


# Whoever was called about the next one is done with.
_COMING = """
select distinct on (k.id) k.id, k.name, k.phone, k.email, a.starts_at,
       case when k.text_agreed_at is not null and k.phone_kind <> 'landline'
            then k.phone_e164 end as number
  from appointment a join client k on k.id = a.client_id
 where a.practice_id = $1 and a.starts_at > $2 and a.starts_at < $3 and a.status = 'scheduled'
   and a.drill is null and ($4::text is null or a.clinician_email = $4)
   and not exists (select from told_by_phone t
                    where t.appointment_id = a.id and t.version = a.version)
 order by k.id, a.starts_at
"""
_UNREAD = """
select m.client_id, k.name, count(*) as texts, max(m.received_at) as at,
       bool_or(m.meaning = 'too_late') as late
  from text_message m left join client k on k.id = m.client_id
 where m.practice_id = $1 and m.read_at is null and m.drill is null
   and m.meaning in ('unclear', 'too_late', 'unknown_number')
 group by m.client_id, k.name, case when m.client_id is null then m.recipient_key end
 order by bool_or(m.meaning = 'too_late') desc, max(m.received_at) desc
"""
_WITH_HOURS = """
select d.id as delivery_id, k.id as client_id, k.name, a.starts_at, d.hours
  from appointment a join delivery d on d.subject_id = a.id join client k on k.id = a.client_id
 where a.practice_id = $1 and a.starts_at > $2 and a.starts_at < $3 and a.status = 'scheduled'
   and a.drill is null and ($4::text is null or a.clinician_email = $4)
   and d.hours is not null and d.status in ('pending', 'due') and d.due_at <= $2
 order by a.starts_at, d.id
"""


async def read_silent(
    connection: Connection,
    vault: Vault,
    practice_id: UUID,
    span: tuple[datetime, datetime],
    clinician: str | None = None,
) -> list[Silent]:
    """Those with an appointment in that span, whoever comes soonest first."""
    rows = await connection.fetch(_COMING, practice_id, *span, clinician)

    def key(address: str | None) -> str | None:
        return vault.recipient_key(practice_id, address) if address else None

    keys = {row["id"]: (key(row["email"]), key(row["number"])) for row in rows}
    everyone = [one for pair in keys.values() for one in pair if one]
    closed = await read_standing_keys(connection, practice_id, everyone)

    def is_silent(row: Any) -> bool:
        mail, number = keys[row["id"]]
        return (mail is None or ("email", mail) in closed) and (
            number is None or ("sms", number) in closed
        )

    found = [
        Silent(row["id"], row["name"], row["phone"], row["starts_at"])
        for row in rows
        if is_silent(row)
    ]
    return sorted(found, key=lambda one: one.starts_at)


async def read_unread(connection: Connection, practice_id: UUID) -> list[Unread]:
    """Whoever wanted to cancel too late first, then the newest."""
    return [Unread(**row) for row in await connection.fetch(_UNREAD, practice_id)]


async def read_resting(
    connection: Connection,
    practice_id: UUID,
    span: tuple[datetime, datetime],
    clinician: str | None = None,
) -> list[Resting]:
    """The soonest appointment first."""
    found = []
    for row in await connection.fetch(_WITH_HOURS, practice_id, *span, clinician):
        until = next_opening(Hours.from_json(row["hours"]), span[0])
        if until > span[0]:
            found.append(
                Resting(row["delivery_id"], row["client_id"], row["name"], row["starts_at"], until)
            )
    return found
