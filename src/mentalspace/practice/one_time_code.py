"""Six digits that let a client in: made, kept as a keyed hash, and taken once.

Whoever asks for an address that is nobody's gets all the same but the text. Instants are real time.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection, Database
from mentalspace.engine.secrets import Vault
from mentalspace.kernel.phi import Phi
from mentalspace.practice.access import RESET_LASTS, token_hash
from mentalspace.practice.audit import note
from mentalspace.practice.identity import DEMO_DOMAIN, session_hash
from mentalspace.practice.limits import Limit, spend

CODE_LASTS = timedelta(minutes=10)
MOST_CHECKS = 5
_PURPOSE = "one_time_code|portal"
_CODE = re.compile(r"[0-9]{6}")

# For each number: the pause doubles and doubles again. For each block of ten thousand numbers and
# for each country: who is paid for the traffic that a range gets has many numbers of one range.
_NUMBER = (
    Limit("code_number", 1, timedelta(seconds=30)),
    Limit("code_number", 2, timedelta(minutes=2)),
    Limit("code_number", 3, timedelta(minutes=10)),
    Limit("code_number", 5, timedelta(hours=1)),
    Limit("code_number", 8, timedelta(days=1)),
)
_PREFIX = (
    Limit("code_prefix", 20, timedelta(hours=1)),
    Limit("code_prefix", 60, timedelta(days=1)),
)
_REGION = (Limit("code_region", 600, timedelta(hours=1)),)


@dataclass(frozen=True, slots=True)
class Asker:
    """The client whom an address or a number belongs to."""

    user_id: UUID
    practice_id: UUID
    client_id: UUID
    phone: Phi[str] | None
    email: Phi[str]
    language: str


@dataclass(frozen=True, slots=True)
class Code:
    """A new code, and the deliveries' subject it voids the earlier ones of."""

    id: UUID
    digits: str = field(repr=False)
    voided: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """What takes the place of a text that ended badly; `email` is None if nothing is to be sent."""

    user_id: UUID
    practice_id: UUID
    delivery_id: UUID
    email: Phi[str] | None
    language: str | None


_INSERT = """
insert into one_time_code (attempt_hash, user_id, practice_id, client_id, code_tag, expires_at)
values ($1, $2, $3, $4, $5, clock_timestamp() + $6::interval) returning id
"""
_VOID = """
update one_time_code set voided_at = clock_timestamp()
 where user_id = $1 and used_at is null and voided_at is null returning id
"""
# The check is counted before the code is looked at: of many sent side by side five are looked at.
_CHECK = """
update one_time_code set checks = checks + 1
 where attempt_hash = $1 and used_at is null and voided_at is null
   and expires_at > clock_timestamp() and checks < $2
returning id, user_id, practice_id, client_id, code_tag
"""
_USE = """
update one_time_code set used_at = clock_timestamp()
 where id = $1 and used_at is null and voided_at is null returning true
"""


def new_attempt() -> str:
    """What the browser keeps, and the database only a hash of."""
    return secrets.token_urlsafe(32)


async def find_asker(
    database: Database, address: str, number: str | None, *, demo_allowed: bool
) -> Asker | None:
    """`number` is what was typed, in E.164, if it can be one."""
    if not address.isprintable() or (not demo_allowed and address.lower().endswith(DEMO_DOMAIN)):
        return None
    async with database.as_door() as connection:
        row = await connection.fetchrow("select * from app.client_to_text($1, $2)", address, number)
    if row is None:
        return None
    phone = Phi(row["phone"]) if row["phone"] else None
    return Asker(
        row["user_id"],
        row["practice_id"],
        row["client_id"],
        phone,
        Phi(row["email"]),
        row["language"],
    )


async def may_text(connection: Connection, vault: Vault, e164: str, region: str) -> bool:
    """Whether one more code may go to that number; if so, it is counted."""
    keys = ((_NUMBER, e164), (_PREFIX, e164[:-4]), (_REGION, region))
    return await spend(
        connection, vault, [(limit, key) for limits, key in keys for limit in limits]
    )


async def open_code(
    connection: Connection, vault: Vault, attempt: str, asker: Asker | None
) -> Code:
    """Write a code for that attempt; the client's earlier ones lose their force. Without a client
    it is one that nobody can give."""
    digits = f"{secrets.randbelow(10**6):06}"
    attempt_hash = session_hash(attempt)
    voided = await connection.fetch(_VOID, asker.user_id) if asker else []
    code_id = await connection.fetchval(
        _INSERT,
        attempt_hash,
        asker.user_id if asker else None,
        asker.practice_id if asker else None,
        asker.client_id if asker else None,
        _tag(vault, asker.client_id if asker else None, attempt_hash, digits),
        CODE_LASTS,
    )
    if asker is not None:
        await note(connection, str(asker.user_id), "code_asked", practice_id=asker.practice_id)
    return Code(code_id, digits, tuple(row["id"] for row in voided))


async def take_code(database: Database, vault: Vault, attempt: str, given: str) -> Any | None:
    """Whose code it was: user_id, practice_id and client_id. None if it is wrong, used, too old,
    another attempt's, or was looked at five times; which of these is not said."""
    attempt_hash = session_hash(attempt)
    digits = re.sub(r"[\s-]", "", given)
    async with database.as_door() as connection:
        row = await connection.fetchrow(_CHECK, attempt_hash, MOST_CHECKS)
    kept = row["code_tag"] if row else bytes(32)
    tag = _tag(vault, row["client_id"] if row else None, attempt_hash, digits)
    is_right = hmac.compare_digest(kept, tag) and _CODE.fullmatch(digits) is not None
    if row is None:
        return None
    async with database.as_door() as connection:
        if is_right and row["user_id"] and await connection.fetchval(_USE, row["id"]):
            return row
        # Written for nobody's code as well: what takes longer tells who is a client.
        await note(
            connection,
            str(row["user_id"] or "unknown"),
            "log_in_refused",
            practice_id=row["practice_id"],
            code="wrong_code",
        )
    return None


async def open_link(connection: Connection, token: str) -> Link | None:
    """Of the codes whose text ended badly, one: a link for whoever asked. None if there is none."""
    row = await connection.fetchrow(
        "select * from app.open_link_for_code($1, $2)", token_hash(token), RESET_LASTS
    )
    if row is None:
        return None
    if row["email"] is not None:
        user, practice_id = str(row["user_id"]), row["practice_id"]
        await note(connection, user, "password_reset_asked", practice_id=practice_id)
    return Link(**{**row, "email": Phi(row["email"]) if row["email"] else None})


async def forget_log_ins(database: Database) -> None:
    """Wipe the texts of codes that are used or over, and throw away what log-ins leave behind."""
    async with database.as_dispatcher() as connection:
        await connection.execute("select app.forget_log_ins()")


def _tag(vault: Vault, client_id: UUID | None, attempt_hash: bytes, digits: str) -> bytes:
    whose = client_id.bytes if client_id else bytes(16)
    return vault.tag(_PURPOSE, whose + attempt_hash + digits.encode("utf-8", "surrogatepass"))
