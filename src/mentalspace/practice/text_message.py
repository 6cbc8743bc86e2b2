"""What people text to the practice, sealed: the incoming half of each conversation.

A conversation is with one client, or, while it is not known whose it is, with one number; a number
is named by the keyed hash that deliveries count people by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.secrets import Vault
from mentalspace.kernel.phi import Phi

PURPOSE = "text_message"

# What a message was taken for. "unclear" waits for a person.
Meaning = Literal[
    "confirmed", "cancelled", "too_late", "unclear", "stop", "start", "help", "unknown_number"
]

# What waits to be read; the rest was understood and answered.
WAITING: tuple[Meaning, ...] = ("unclear", "too_late", "unknown_number")

_KEEP = """
insert into text_message (practice_id, credential_id, provider_message_id, recipient_key, sender,
                          body, drill)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (credential_id, provider_message_id) do nothing returning id
"""
_UNDERSTOOD = """
update text_message set client_id = $2, meaning = $3, appointment_id = $4 where id = $1
"""
# The same telephone, however it was typed; read exactly afterwards.
_BY_NUMBER = """
select c.id, c.phone, c.language, p.name as practice_name, p.phone as practice_phone
  from client c join practice p on p.id = c.practice_id
 where c.practice_id = $1 and c.phone is not null
   and right(regexp_replace(c.phone, '\\D', '', 'g'), 7) = right($2, 7)
 order by c.created_at, c.id
"""
# Of each coming appointment that a text to this number spoke of, as it is now: when the last one
# left, and whether one asked for an answer.
_TOLD = """
select a.id, a.client_id, a.starts_at, a.confirmed_at, max(d.first_attempt_at) as told_at,
       bool_or(d.kind = 'reminder') as asked
  from delivery d join appointment a on a.id = d.subject_id
 where d.practice_id = $1 and d.recipient_key = $2 and d.integration = 'sms'
   and d.subject_type = 'appointment' and d.kind <> 'appointment_cancelled'
   and d.first_attempt_at is not null and d.status not in ('refused', 'cancelled', 'expired')
   and d.created_at >= a.updated_at and a.status = 'scheduled' and a.starts_at > app.now()
   and a.drill is not distinct from $3
 group by a.id order by a.starts_at, a.id
"""
_LAST_CALLED_OFF = """
select a.id from text_message m join appointment a on a.id = m.appointment_id
 where m.practice_id = $1 and m.recipient_key = $2 and m.meaning = 'cancelled'
   and a.status = 'cancelled' and a.starts_at > app.now() and m.drill is not distinct from $3
 order by m.received_at desc limit 1
"""

_READ = """
update text_message
   set read_at = app.now(), read_by = (select id from app_user where id = $3)
 where read_at is null and drill is null
   and (client_id = $1 or client_id is null and recipient_key = $2)
"""
_COUNT_UNREAD = f"""
select count(distinct coalesce(client_id::text, recipient_key)) from text_message
 where practice_id = $1 and read_at is null and meaning in {WAITING} and drill is null
"""


@dataclass(frozen=True, slots=True)
class NewText:
    practice_id: UUID
    credential_id: UUID
    provider_message_id: str
    sender: Phi[str]  # E.164
    body: Phi[str]
    drill: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A coming appointment that this number was texted about: `asked` for an answer or not."""

    id: UUID
    client_id: UUID
    starts_at: datetime
    confirmed_at: datetime | None
    told_at: datetime
    asked: bool

    @property
    def awaits(self) -> bool:
        return self.asked and self.confirmed_at is None


async def keep_text(connection: Connection, vault: Vault, new: NewText) -> UUID | None:
    """Its id; None if it was here already."""
    sender, body = new.sender.reveal(), new.body.reveal()
    message_id: UUID | None = await connection.fetchval(
        _KEEP,
        new.practice_id,
        new.credential_id,
        new.provider_message_id,
        vault.recipient_key(new.practice_id, sender),
        vault.seal(new.practice_id, PURPOSE, sender.encode()),
        vault.seal(new.practice_id, PURPOSE, body.encode()),
        new.drill,
    )
    return message_id


async def understand(
    connection: Connection,
    message_id: UUID,
    meaning: Meaning,
    *,
    client_id: UUID | None = None,
    appointment_id: UUID | None = None,
) -> None:
    """Write down whose it is, and what it was taken for."""
    await connection.execute(_UNDERSTOOD, message_id, client_id, meaning, appointment_id)


async def candidates(connection: Connection, practice_id: UUID, number: str) -> Sequence[Any]:
    """Clients whose number ends like this one; the caller reads the whole of it."""
    return list(await connection.fetch(_BY_NUMBER, practice_id, number))


async def read_told(
    connection: Connection, practice_id: UUID, recipient_key: str, drill: str | None
) -> list[Told]:
    """The nearest first."""
    rows = await connection.fetch(_TOLD, practice_id, recipient_key, drill)
    return [Told(**dict(row)) for row in rows]


async def last_called_off(
    connection: Connection, practice_id: UUID, recipient_key: str, drill: str | None
) -> UUID | None:
    """The coming appointment that a text from this number cancelled last."""
    appointment_id: UUID | None = await connection.fetchval(
        _LAST_CALLED_OFF, practice_id, recipient_key, drill
    )
    return appointment_id


async def mark_read(
    connection: Connection, client_id: UUID | None, recipient_key: str, user_id: UUID
) -> None:
    """Somebody has looked at this conversation."""
    await connection.execute(_READ, client_id, recipient_key, user_id)


async def count_unread(connection: Connection, practice_id: UUID) -> int:
    """How many conversations hold something that waits to be read."""
    unread: int = await connection.fetchval(_COUNT_UNREAD, practice_id)
    return unread
