"""Who of a practice is written to no more, found by address, and lifted by a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.secrets import Vault
from mentalspace.engine.suppression import OPTED_OUT, lift
from mentalspace.kernel.errors import Refused
from mentalspace.practice.audit import note
from mentalspace.practice.phone_line import LANDLINE, doubt_landline

COMPLAINED = "complained"
# What somebody wanted themselves; nobody takes it back for them.
ONLY_THEY = frozenset({COMPLAINED, OPTED_OUT})

_STANDING = """
select distinct on (recipient_key) recipient_key, integration, reason, created_at
  from suppression where practice_id = $1 and recipient_key = any ($2) and lifted_at is null
   and drill is null order by recipient_key, created_at
"""


async def suppressed_of(
    connection: Connection, vault: Vault, practice_id: UUID, addresses: Mapping[UUID, str | None]
) -> dict[UUID, Any]:
    """Of these clients by id, those whose address of today is written to no more, and why."""
    keys = {
        client_id: vault.recipient_key(practice_id, address)
        for client_id, address in addresses.items()
        if address
    }
    rows = await connection.fetch(_STANDING, practice_id, list(set(keys.values())))
    found = {row["recipient_key"]: row for row in rows}
    return {client_id: found[key] for client_id, key in keys.items() if key in found}


async def clients_of(
    connection: Connection, vault: Vault, practice_id: UUID, recipient_keys: Iterable[str]
) -> dict[str, Any]:
    """The clients whose address or number of today has one of these keys: a provider's list names
    no id."""
    wanted = set(recipient_keys)
    if not wanted:
        return {}
    rows = await connection.fetch("select id, name, email, phone_e164 from client")
    by_key = {
        vault.recipient_key(practice_id, address): row
        for row in rows
        for address in (row["email"], row["phone_e164"])
        if address
    }
    return {key: by_key[key] for key in wanted & by_key.keys()}


async def lift_suppression(
    connection: Connection,
    practice_id: UUID,
    suppression_id: UUID,
    *,
    client_asked: bool,
    actor: str,
    name: str,
) -> bool | None:
    """Write to them again; False if that was decided before, None if there is no such one.

    `actor` is for the audit, `name` for people. Raises Refused for an opt-out or a complaint
    unless the client asked: whoever wants no more decides that, nobody else.
    """
    reason = await connection.fetchval(
        "select reason from suppression where id = $1 and practice_id = $2",
        suppression_id,
        practice_id,
    )
    if reason is None:
        return None
    if reason in ONLY_THEY and not client_asked:
        text = "after an opt-out or a complaint the client must have asked for it"
        raise Refused("client_has_not_asked", text)
    if not await lift(connection, suppression_id, name):
        return False
    if reason == LANDLINE:
        await doubt_landline(connection, suppression_id)
    await note(
        connection, actor, "suppression_lifted", practice_id=practice_id, subject=suppression_id
    )
    return True
