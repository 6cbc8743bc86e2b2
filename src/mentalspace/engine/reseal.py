"""Seals everything anew under today's master key, so that the one before it may be forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from mentalspace.engine.db import Database
from mentalspace.engine.secrets import SealBroken, Vault

BATCH = 200


@dataclass(frozen=True, slots=True)
class Sealed:
    """One column of sealed bytes. `key` names its table's rows, `whose` the column of the id
    that the bytes are sealed for."""

    table: str
    column: str
    purpose: str
    key: str = "id"
    whose: str = "practice_id"


# Every sealed column there is; a test compares it with the catalog.
SEALED = (
    Sealed("credential", "secrets", "credential"),
    Sealed("credential_former", "secrets", "credential", key="credential_id"),
    Sealed("delivery", "payload", "delivery"),
    Sealed("inbox", "payload", "inbox"),
    Sealed("import_row", "raw", "import_row"),
    Sealed("import_row", "header", "import_row"),
    Sealed("suppression", "note", "consent"),
    Sealed("consent_entry", "note", "consent"),
    Sealed("text_message", "sender", "text_message"),
    Sealed("text_message", "body", "text_message"),
    Sealed("api_request", "body", "api_request", key="key"),
    Sealed("oncall_contact", "address", "oncall_contact", whose="id"),
    Sealed("second_factor", "secret", "second_factor", key="user_id", whose="user_id"),
    Sealed("storage.key", "sealed", "file_key"),
    Sealed("second_factor", "pending", "second_factor", key="user_id", whose="user_id"),
)
_TAKE = """
select {key} as key, {whose} as whose, {column} as sealed from {table}
 where {column} is not null and substring({column} for $1) <> $2 and not {key}::text = any ($3)
 limit $4 for update skip locked
"""
_PUT = "update {table} set {column} = $3 where {key} = $1 and {whose} = $2"


NOBODYS = UUID(int=0)  # what belongs to no practice is sealed as its
_RECIPIENTS = "recipients"


async def with_kept_recipients(database: Database, vault: Vault) -> Vault:
    """The vault, knowing people by the key they were known by before any rotation."""
    async with database.as_door() as connection:
        sealed = await connection.fetchval("select sealed from app.recipient_key")
    return vault if sealed is None else vault.keeping(vault.open(NOBODYS, _RECIPIENTS, sealed))


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many of a column were sealed anew, and how many no known key opens."""

    sealed: Sealed
    renewed: int
    unreadable: int


async def reseal(
    owner: asyncpg.Connection[Any], vault: Vault, say: Callable[[Resealed], None]
) -> list[Resealed]:
    """Column by column, a batch a transaction; may be stopped anywhere and run again.

    Runs beside a working system: what is written meanwhile is under today's key already.
    """
    done = []
    await _keep_recipients(owner, vault)
    for sealed in SEALED:
        result = await _column(owner, vault, sealed)
        say(result)
        done.append(result)
    return done


async def _column(owner: asyncpg.Connection[Any], vault: Vault, sealed: Sealed) -> Resealed:
    names = {name: getattr(sealed, name) for name in ("table", "column", "key", "whose")}
    take, put = _TAKE.format(**names), _PUT.format(**names)
    renewed = 0
    broken: list[str] = []
    while True:
        async with owner.transaction():
            rows = await owner.fetch(take, len(vault.mark), vault.mark, broken, BATCH)
            for row in rows:
                try:
                    plain = vault.open(row["whose"], sealed.purpose, row["sealed"])
                except SealBroken:
                    broken.append(str(row["key"]))
                    continue
                anew = vault.seal(row["whose"], sealed.purpose, plain)
                await owner.execute(put, row["key"], row["whose"], anew)
                renewed += 1
        if not rows:
            return Resealed(sealed, renewed, len(broken))


async def _keep_recipients(owner: asyncpg.Connection[Any], vault: Vault) -> None:
    """The key of people's hashes followed from the first master key; from now on it is kept."""
    await owner.execute(
        "insert into app.recipient_key (sealed) values ($1)"
        " on conflict (only_row) do update set sealed = excluded.sealed",
        vault.seal(NOBODYS, _RECIPIENTS, vault.recipients),
    )
