"""The consent ledger: who agreed to be written to, who wants no more, and how that was heard.

It is a history and decides nothing: what the lane asks is the suppression (engine/suppression.py),
whose every change writes an entry here by a trigger, in the same transaction. What changes no
suppression is written by these functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.secrets import SealBroken, Vault
from mentalspace.engine.suppression import OPTED_OUT, How, lift, suppress

Channel = Literal["email", "sms"]
What = Literal[
    "agreed",
    "opted_out",
    "opted_in",
    "bounced",
    "complained",
    "unreachable",
    "asked_help",
    "lifted",
]
LONGEST_NOTE = 500
_PURPOSE = "consent"

_WRITE = """
insert into consent_entry (practice_id, recipient_key, client_id, channel, what, how, actor,
                           delivery_id, evidence, note, drill)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
_STANDING = """
select id, reason from suppression
 where practice_id = $1 and integration = $2 and recipient_key = $3 and lifted_at is null
   and drill is not distinct from $4
"""
# What they answered, as far as we can tell: the newest that they can have read.
_LAST = """
select id, client_id from delivery
 where practice_id = $1 and recipient_key = $2 and integration = $3
   and drill is not distinct from $4
 order by first_attempt_at is null, created_at desc limit 1
"""
# A client's wish follows them to another number (practice/text_consent.py).
_LAST_WORD = """
select what from consent_entry
 where practice_id = $1 and channel = $2 and client_id = $3 and drill is not distinct from $4
   and (what in ('agreed', 'opted_in', 'opted_out') or what = 'lifted' and reason = 'opted_out')
 order by id desc limit 1
"""
_HISTORY = """
select id, recipient_key, client_id, channel, what, reason, how, at, actor, delivery_id, evidence,
       note
  from consent_entry
 where practice_id = $1 and drill is null
   and (client_id = $2 or recipient_key = any ($3))
 order by id desc limit $4
"""
_KEPT = """
select integration, recipient_key, id, reason, created_at from suppression
 where practice_id = $1 and recipient_key = any ($2) and lifted_at is null and drill is null
"""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Whose wish it is: an address by its key, and the client behind it if that is known."""

    practice_id: UUID
    channel: Channel
    recipient_key: str
    client_id: UUID | None = None
    drill: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """How a wish came to us, through whom, and the provider's id of the message that says it."""

    how: How
    actor: str
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a client's history; `theirs_today` if it is of an address they have now."""

    id: int
    channel: str
    what: What
    reason: str | None
    how: How
    at: datetime
    actor: str
    delivery_id: UUID | None
    evidence: str | None
    note: str | None
    theirs_today: bool


async def opt_out(
    connection: Connection, vault: Vault, speaker: Speaker, source: Source, *, note: str = ""
) -> UUID | None:
    """Write to them no more: the suppression's id; None if that stood already.

    It is counted by the last message to them. What waits for them is refused by the lane at once.
    """
    last_id, client_id = await _last(connection, speaker)
    made = await suppress(
        connection,
        speaker.practice_id,
        speaker.channel,
        speaker.recipient_key,
        reason=OPTED_OUT,
        client_id=speaker.client_id or client_id,
        delivery_id=last_id,
        drill=speaker.drill,
        how=source.how,
        actor=source.actor,
        evidence=source.evidence,
        note=_sealed(vault, speaker.practice_id, note),
    )
    if made is None:
        await write(connection, vault, speaker, "opted_out", source, note=note)
    return made


async def opt_in(connection: Connection, vault: Vault, speaker: Speaker, source: Source) -> bool:
    """Write to them again, for they asked; False if nothing kept us from it, neither of this
    address nor what the client said from an earlier one."""
    row = await standing_of(connection, speaker)
    if row is not None:
        return await lift(
            connection, row["id"], source.actor, how=source.how, evidence=source.evidence
        )
    said = await connection.fetchval(
        _LAST_WORD, speaker.practice_id, speaker.channel, speaker.client_id, speaker.drill
    )
    if said != OPTED_OUT:
        return False
    await write(connection, vault, speaker, "opted_in", source)
    return True


async def write(
    connection: Connection,
    vault: Vault,
    speaker: Speaker,
    what: What,
    source: Source,
    *,
    note: str = "",
) -> None:
    """Append what changes no suppression."""
    last_id, client_id = await _last(connection, speaker)
    await connection.execute(
        _WRITE,
        speaker.practice_id,
        speaker.recipient_key,
        speaker.client_id or client_id,
        speaker.channel,
        what,
        source.how,
        source.actor,
        last_id if source.evidence else None,
        source.evidence,
        _sealed(vault, speaker.practice_id, note),
        speaker.drill,
    )


async def standing_of(connection: Connection, speaker: Speaker) -> Any | None:
    """What keeps us from writing to this address, if anything does: its id and reason."""
    return await connection.fetchrow(
        _STANDING, speaker.practice_id, speaker.channel, speaker.recipient_key, speaker.drill
    )


async def _last(connection: Connection, speaker: Speaker) -> tuple[UUID | None, UUID | None]:
    row = await connection.fetchrow(
        _LAST, speaker.practice_id, speaker.recipient_key, speaker.channel, speaker.drill
    )
    return (None, None) if row is None else (row["id"], row["client_id"])


async def read_history(
    connection: Connection,
    vault: Vault,
    practice_id: UUID,
    client_id: UUID,
    recipient_keys: Iterable[str],
    *,
    most: int = 100,
) -> list[Entry]:
    """All that is known of a client and of the addresses they have today, the newest first."""
    keys = list(recipient_keys)
    rows = await connection.fetch(_HISTORY, practice_id, client_id, keys, most)
    return [_entry(vault, practice_id, row, keys) for row in rows]


async def read_kept_from(
    connection: Connection, practice_id: UUID, recipient_keys: Iterable[str]
) -> dict[str, Any]:
    """What keeps us from each channel of these addresses, by channel."""
    rows = await connection.fetch(_KEPT, practice_id, list(recipient_keys))
    return {row["integration"]: row for row in rows}


async def read_standing_keys(
    connection: Connection, practice_id: UUID, recipient_keys: Iterable[str]
) -> set[tuple[str, str]]:
    """Channel and key of each of these addresses that nothing may be sent to."""
    rows = await connection.fetch(_KEPT, practice_id, list(recipient_keys))
    return {(row["integration"], row["recipient_key"]) for row in rows}


def _sealed(vault: Vault, practice_id: UUID, note: str) -> bytes | None:
    return vault.seal(practice_id, _PURPOSE, note.encode()) if note else None


def _entry(vault: Vault, practice_id: UUID, row: Any, keys: list[str]) -> Entry:
    return Entry(
        row["id"],
        row["channel"],
        row["what"],
        row["reason"],
        row["how"],
        row["at"],
        row["actor"],
        row["delivery_id"],
        row["evidence"],
        _opened(vault, practice_id, row["note"]),
        row["recipient_key"] in keys,
    )


def _opened(vault: Vault, practice_id: UUID, sealed: bytes | None) -> str | None:
    if sealed is None:
        return None
    try:
        return vault.open(practice_id, _PURPOSE, sealed).decode()
    except SealBroken:
        return "(cannot be opened any more)"
