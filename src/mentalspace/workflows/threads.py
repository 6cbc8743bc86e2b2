"""Conversations by text, both halves of each, and the list of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.secrets import Vault
from mentalspace.engine.services import Services
from mentalspace.integrations.sms.model import Text
from mentalspace.integrations.sms.number import NotANumber, Number, dials, normalise
from mentalspace.kernel.phi import Phi
from mentalspace.practice.text_message import PURPOSE, WAITING, candidates
from mentalspace.workflows.log_in_codes import KIND as LOG_IN_CODE

MOST_LINES = 300
MOST_THREADS = 100

_PERSON = """
select p.id as practice_id, p.name as practice_name, p.phone as practice_phone,
       p.timezone as practice_zone, c.id, c.name, c.phone, c.timezone as zone, c.language,
       c.text_agreed_at is not null as agreed
  from practice p left join client c on c.practice_id = p.id and c.id = $2
 where p.id = $1
"""
_HEARD = """
select id, received_at, sender, body, meaning, read_at from text_message
 where practice_id = $1 and drill is null and (client_id = $2 or client_id is null
       and recipient_key = $3)
 order by received_at desc, id limit $4
"""
# A text that waits for its day is no part of what was said.
_SENT = """
select id, coalesce(accepted_at, first_attempt_at, created_at) as at, kind, status, payload,
       last_case
  from delivery
 where practice_id = $1 and integration = 'sms' and drill is null
   and (client_id = $2 or client_id is null and recipient_key = $3)
   and (first_attempt_at is not null or due_at <= app.now() and status <> 'cancelled')
 order by created_at desc, id limit $4
"""
_THREADS = f"""
select * from (
  select distinct on (coalesce(m.client_id::text, m.recipient_key))
         m.id, m.client_id, m.recipient_key, m.sender, m.body, m.received_at, m.meaning,
         k.name as client_name,
         count(*) filter (where m.read_at is null and m.meaning in {WAITING})
           over (partition by coalesce(m.client_id::text, m.recipient_key)) as unread
    from text_message m left join client k on k.id = m.client_id
   where m.practice_id = $1 and m.drill is null
   order by coalesce(m.client_id::text, m.recipient_key), m.received_at desc) newest
 order by received_at desc, id limit $2
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One text, of theirs or of ours. `kind` is what ours was for, or what theirs was taken for;
    `status` is the delivery's. A code to log in is nobody's to read: its body is None, as is one
    that is no longer kept."""

    id: UUID
    at: datetime
    incoming: bool
    kind: str
    body: Phi[str] | None
    status: str | None = None
    case: str | None = None
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation with a client, or with a number that is not known to be one client's.

    `number` is None where there is none that can be dialled. `row` is the practice's and the
    client's; `sharers` are the clients that a telephone without a name may belong to.
    """

    client_id: UUID | None
    key: str
    number: Number | None
    row: Any
    lines: Sequence[Line]
    sharers: Sequence[tuple[UUID, Phi[str]]] = ()

    @property
    def last_heard_at(self) -> datetime | None:
        return next((line.at for line in reversed(self.lines) if line.incoming), None)


@dataclass(frozen=True, slots=True)
class Summary:
    """A conversation in the list: with its newest text to us."""

    client_id: UUID | None
    key: str
    who: Phi[str]
    at: datetime
    body: Phi[str]
    meaning: str
    unread: int


async def read_thread_of(services: Services, practice_id: UUID, client_id: UUID) -> Thread | None:
    """A client's; None if there is no such client."""
    async with services.database.as_worker(practice_id) as connection:
        row = await connection.fetchrow(_PERSON, practice_id, client_id)
        if row is None or row["id"] is None:
            return None
        number = _number(row["phone"])
        key = "" if number is None else services.vault.recipient_key(practice_id, number.e164)
        lines = await _lines(connection, services.vault, practice_id, client_id, key)
        return Thread(client_id, key, number, row, lines)


async def read_nameless(services: Services, practice_id: UUID, key: str) -> Thread | None:
    """A number's; None if nothing came from it that is without a client."""
    vault = services.vault
    async with services.database.as_worker(practice_id) as connection:
        heard = await connection.fetch(_HEARD, practice_id, None, key, 1)
        if not heard:
            return None
        sender = vault.open(practice_id, PURPOSE, heard[0]["sender"]).decode()
        row = await connection.fetchrow(_PERSON, practice_id, None)
        lines = await _lines(connection, vault, practice_id, None, key)
        found = await candidates(connection, practice_id, sender)
        sharers = [(r["id"], Phi(r["name"])) for r in found if dials(r["phone"], sender)]
        return Thread(None, key, _number(sender), row, lines, sharers)


async def read_threads(services: Services, practice_id: UUID) -> list[Summary]:
    """The newest first."""
    vault = services.vault
    async with services.database.as_worker(practice_id) as connection:
        rows = await connection.fetch(_THREADS, practice_id, MOST_THREADS)

    def opened(sealed: bytes) -> Phi[str]:
        return Phi(vault.open(practice_id, PURPOSE, sealed).decode())

    return [
        Summary(
            row["client_id"],
            row["recipient_key"],
            Phi(row["client_name"]) if row["client_id"] else opened(row["sender"]),
            row["received_at"],
            opened(row["body"]),
            row["meaning"],
            row["unread"],
        )
        for row in rows
    ]


async def _lines(
    connection: Connection, vault: Vault, practice_id: UUID, client_id: UUID | None, key: str
) -> list[Line]:
    """Oldest first."""
    whose = (practice_id, client_id, key, MOST_LINES)
    heard = [
        Line(
            row["id"],
            row["received_at"],
            True,
            row["meaning"],
            Phi(vault.open(practice_id, PURPOSE, row["body"]).decode()),
            unread=row["read_at"] is None and row["meaning"] in WAITING,
        )
        for row in await connection.fetch(_HEARD, *whose)
    ]
    sent = [
        Line(
            row["id"],
            row["at"],
            False,
            row["kind"],
            _said(vault, practice_id, row),
            row["status"],
            row["last_case"],
        )
        for row in await connection.fetch(_SENT, *whose)
    ]
    ordered = sorted([*heard, *sent], key=lambda line: (line.at, not line.incoming, str(line.id)))
    return ordered[-MOST_LINES:]


def _said(vault: Vault, practice_id: UUID, row: Any) -> Phi[str] | None:
    if row["payload"] is None or row["kind"] == LOG_IN_CODE:
        return None
    return Phi(Text.from_bytes(vault.open(practice_id, "delivery", row["payload"])).body)


def _number(typed: str | None) -> Number | None:
    try:
        return normalise(typed or "")
    except NotANumber:
        return None
