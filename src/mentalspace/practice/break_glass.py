"""Reading what a held message or webhook says: for a reason, for a quarter of an hour, and told.

The database hands a sealed payload to a person through one function alone, which asks for an
opening of theirs that stands now and writes the audit first; see the migration.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import asyncpg

from mentalspace.engine.db import Connection, Database
from mentalspace.engine.secrets import Vault
from mentalspace.kernel.errors import Refused
from mentalspace.kernel.phi import Phi
from mentalspace.practice.person import Person

What = Literal["message", "webhook"]

# As the table says.
LASTS = timedelta(minutes=15)
SHORTEST_REASON, LONGEST_REASON = 10, 300
# For what each kind of payload is sealed.
_PURPOSE = {"message": "delivery", "webhook": "inbox"}

_STANDING = """
select o.id, p.name as practice_name, o.what, o.subject, o.opened_by, o.opener, o.role, o.reason,
       o.until_at
  from payload_opening o join practice p on p.id = o.practice_id
 where o.until_at > app.now() order by o.until_at desc limit 50
"""


@dataclass(frozen=True, slots=True)
class Opening:
    """Somebody may read one payload until then. `opened_by` is their id, `opener` their name."""

    id: UUID
    practice_name: str
    what: What
    subject: UUID
    opened_by: UUID
    opener: str
    role: str
    reason: str
    until_at: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """A payload, unsealed. `query` is what stood behind a webhook's address."""

    integration: str
    provider: str
    until_at: datetime
    body: Phi[bytes]
    query: Phi[str]


async def break_glass(
    database: Database, person: Person, what: What, subject: UUID, reason: str
) -> bool:
    """Open one payload to this person; False if there is none of that id that may be opened.

    Raises Refused without a reason that says something. While an opening stands, another changes
    nothing. The audit has it, and the practice's administrators a task, once this returns.
    """
    said = " ".join(reason.split())
    if not SHORTEST_REASON <= len(said) <= LONGEST_REASON or not said.isprintable():
        text = f"say why in {SHORTEST_REASON} to {LONGEST_REASON} characters; it is kept"
        raise Refused("no_reason", text)
    try:
        async with _acting(database, person) as connection:
            opening = await connection.fetchval(
                "select app.break_glass($1, $2, $3)", what, subject, said
            )
    except asyncpg.InsufficientPrivilegeError as error:
        text = "only an administrator or an on-call engineer opens a payload"
        raise Refused("not_allowed", text) from error
    return opening is not None


async def read_opened(
    database: Database, vault: Vault, person: Person, what: What, subject: UUID
) -> Opened | None:
    """None unless an opening of theirs stands now. Each look is in the audit before this returns.

    Raises SealBroken for bytes that our keys do not open.
    """
    async with _acting(database, person) as connection:
        row = await connection.fetchrow("select * from app.read_opened($1, $2)", what, subject)
    if row is None:
        return None
    body = vault.open(row["practice_id"], _PURPOSE[what], row["sealed"])
    return Opened(
        row["integration"], row["provider"], row["until_at"], Phi(body), Phi(row["query"])
    )


async def standing_openings(connection: Connection) -> list[Opening]:
    """Those of today's moment that the caller may know of, the newest first."""
    return [Opening(**dict(row)) for row in await connection.fetch(_STANDING)]


def _acting(database: Database, person: Person) -> AbstractAsyncContextManager[Connection]:
    claims = person.claims()
    return database.as_oncall(claims) if person.role == "oncall" else database.as_user(claims)
