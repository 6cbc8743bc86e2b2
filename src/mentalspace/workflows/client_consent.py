"""What a client told a colleague about being written to: kept in the ledger, and obeyed at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.secrets import Vault
from mentalspace.engine.services import Services
from mentalspace.integrations.sms.number import NotANumber, normalise
from mentalspace.kernel.errors import MentalSpaceError
from mentalspace.practice.audit import note as audit
from mentalspace.practice.consent import (
    LONGEST_NOTE,
    Channel,
    Entry,
    Source,
    Speaker,
    opt_out,
    read_history,
    read_kept_from,
    standing_of,
    write,
)
from mentalspace.practice.suppression import ONLY_THEY, lift_suppression
from mentalspace.workflows.reminder_rules import ClientUnknown

CHANNELS: Sequence[Channel] = get_args(Channel)
Told = Literal["agreed", "opted_out"]

_CLIENT = "select id, email, phone, phone_e164 from client where id = $1"
# From then on the practice may choose texts for them.
_MAY_TEXT = """
update client set text_agreed_at = coalesce(text_agreed_at, app.now()) where id = $1
"""
_SAYING = frozenset({"agreed", "opted_in", "lifted"})


class WishNotKept(MentalSpaceError):
    """`code` is stable: no_address, note_missing, note_too_long. Nothing was written."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for one channel today: `kept` is what keeps us from writing (reason, created_at),
    `said` the newest word for it; both None where nobody has said anything."""

    channel: Channel
    has_address: bool
    kept: Any | None
    said: Entry | None


@dataclass(frozen=True, slots=True)
class Consent:
    standing: Sequence[Standing]
    history: Sequence[Entry]


async def read_consent(
    connection: Connection, vault: Vault, practice_id: UUID, client_id: UUID
) -> Consent:
    """Raises ClientUnknown."""
    keys = await _keys(connection, vault, practice_id, client_id)
    history = await read_history(connection, vault, practice_id, client_id, keys.values())
    kept = await read_kept_from(connection, practice_id, keys.values())
    return Consent([_standing(each, keys, kept, history) for each in CHANNELS], history)


async def keep_wish(
    services: Services,
    claims: Mapping[str, Any],
    client_id: UUID,
    channel: Channel,
    told: Told,
    note: str,
    name: str,
) -> None:
    """Write down who of the staff was told what, by whom and how, and do as the client wants.

    That they agreed lifts what only they could end; a bad address stays one. Raises ClientUnknown,
    WishNotKept.
    """
    async with services.database.as_user(claims) as connection:
        await keep_wish_within(
            connection, services.vault, claims, client_id, channel, told, note, name
        )


async def keep_wish_within(
    connection: Connection,
    vault: Vault,
    claims: Mapping[str, Any],
    client_id: UUID,
    channel: Channel,
    told: Told,
    note: str,
    name: str,
) -> None:
    """The same in the caller's transaction."""
    note = " ".join(note.split())
    if not note:
        raise WishNotKept("note_missing", "say who asked for it, and how")
    if len(note) > LONGEST_NOTE:
        raise WishNotKept("note_too_long", f"a note has at most {LONGEST_NOTE} characters")
    practice_id, actor = UUID(str(claims["practice"])), str(claims["sub"])
    source = Source("staff", name)
    keys = await _keys(connection, vault, practice_id, client_id)
    if channel not in keys:
        raise WishNotKept("no_address", "the client has no such address: write it down first")
    speaker = Speaker(practice_id, channel, keys[channel], client_id)
    if told == "opted_out":
        await opt_out(connection, vault, speaker, source, note=note)
    else:
        await _lift_what_they_ended(connection, speaker, actor, name)
        await write(connection, vault, speaker, "agreed", source, note=note)
        if channel == "sms":
            await connection.execute(_MAY_TEXT, client_id)
    await audit(
        connection,
        actor,
        "client.consent_kept",
        practice_id=practice_id,
        subject=client_id,
        channel=channel,
        told=told,
    )


async def _lift_what_they_ended(
    connection: Connection, speaker: Speaker, actor: str, name: str
) -> None:
    kept = await standing_of(connection, speaker)
    if kept is not None and kept["reason"] in ONLY_THEY:
        await lift_suppression(
            connection, speaker.practice_id, kept["id"], client_asked=True, actor=actor, name=name
        )


async def _keys(
    connection: Connection, vault: Vault, practice_id: UUID, client_id: UUID
) -> dict[Channel, str]:
    client = await connection.fetchrow(_CLIENT, client_id)
    if client is None:
        raise ClientUnknown("there is no such client")
    found: dict[Channel, str | None] = {"email": client["email"], "sms": _number(client)}
    return {
        channel: vault.recipient_key(practice_id, address)
        for channel, address in found.items()
        if address
    }


def _number(client: Any) -> str | None:
    if client["phone_e164"] or not client["phone"]:
        return client["phone_e164"] or None
    try:
        return normalise(client["phone"]).e164
    except NotANumber:
        return None


def _standing(
    channel: Channel,
    keys: Mapping[Channel, str],
    kept: Mapping[str, Any],
    history: Sequence[Entry],
) -> Standing:
    said = next(
        (e for e in history if e.channel == channel and e.theirs_today and e.what in _SAYING), None
    )
    return Standing(channel, channel in keys, kept.get(channel), said)
