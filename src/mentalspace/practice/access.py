"""Single-use links by which somebody chooses a password: a reset, or a client's first entry.

Of a link only its token's hash is kept. What a token may do is held by the database's own
functions; see the migration. Instants are real time.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from mentalspace.engine.db import Connection, Database
from mentalspace.practice.audit import note
from mentalspace.practice.identity import DEMO_DOMAIN
from mentalspace.practice.password import hash_password

RESET_LASTS = timedelta(hours=1)
INVITATION_LASTS = timedelta(days=7)

Invited = Literal["invited", "unknown", "no_address", "taken"]


@dataclass(frozen=True, slots=True)
class Reset:
    """A link that was made for somebody. `practice_id` is whose mail carries it; `is_staff`, that
    they are nobody's client."""

    user_id: UUID
    practice_id: UUID
    language: str
    is_staff: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """A link that still works, and in which language its page speaks."""

    invited: bool
    practice_name: str
    language: str


_WAITING = """
select t.client_id is not null as invited, p.name as practice_name, t.language
  from access_token t join practice p on p.id = t.practice_id
 where t.token_hash = $1 and t.used_at is null and t.voided_at is null
   and t.expires_at > clock_timestamp()
"""


# Whoever gave the old password and not yet their code.
_END_HALF_WAY = """
update half_log_in set ended_at = clock_timestamp() where user_id = $1 and ended_at is null
"""


def new_token() -> str:
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


async def open_reset(
    database: Database, address: str, token: str, *, demo_allowed: bool
) -> Reset | None:
    """None if the address is nobody's, or has been asked for too often this hour."""
    if not address.isprintable() or (not demo_allowed and address.lower().endswith(DEMO_DOMAIN)):
        return None
    async with database.as_door() as connection:
        row = await connection.fetchrow(
            "select * from app.open_reset($1, $2, $3)", address, token_hash(token), RESET_LASTS
        )
        if row is None:
            return None
        await note(
            connection, str(row["user_id"]), "password_reset_asked", practice_id=row["practice_id"]
        )
        is_staff = await connection.fetchval(
            "select not exists (select from membership where user_id = $1 and role = 'client')",
            row["user_id"],
        )
        return Reset(**dict(row), is_staff=is_staff)


async def invite_client(
    connection: Connection, claims: Any, client_id: UUID, token: str
) -> Invited:
    """In the caller's transaction, with their claims. An earlier invitation loses its force."""
    outcome: Invited = await connection.fetchval(
        "select app.invite_client($1, $2, $3)", client_id, token_hash(token), INVITATION_LASTS
    )
    if outcome == "invited":
        practice_id = UUID(str(claims["practice"]))
        await note(
            connection,
            str(claims["sub"]),
            "portal_invited",
            practice_id=practice_id,
            subject=client_id,
        )
    return outcome


async def look_at(database: Database, token: str) -> Waiting | None:
    """What the link is for; None if it does not work, for whatever reason. Changes nothing."""
    async with database.as_door() as connection:
        row = await connection.fetchrow(_WAITING, token_hash(token))
    return None if row is None else Waiting(**dict(row))


async def redeem(database: Database, token: str, password: str) -> bool:
    """Set the password and end every session of theirs; False if the link does not work.

    Raises ValueError for a password that is none, and then the link still works.
    """
    hashed = await hash_password(password)
    async with database.as_door() as connection:
        row = await connection.fetchrow(
            "select * from app.redeem_access($1, $2)", token_hash(token), hashed
        )
        if row is None:
            return False
        await connection.execute(_END_HALF_WAY, row["user_id"])
        action = "portal_joined" if row["invited"] else "password_reset"
        await note(connection, str(row["user_id"]), action, practice_id=row["practice_id"])
        return True
