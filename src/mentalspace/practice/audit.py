"""Who read or did what: one hash chain for each practice, checked on demand and written down
elsewhere every hour, so that nothing can be taken out of it unseen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from mentalspace.engine.db import Connection, Database
from mentalspace.engine.log import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Chain:
    """`head` is the newest entry's hash, in hex. `broken_at` is the first entry that does not
    hold, with the `reason`; None while all of it does."""

    practice: str
    entries: int
    head: str
    broken_at: int | None = None
    reason: str | None = None


_CHAINS = """
select h.chain, coalesce(p.slug, 'no practice') as practice, h.seq, encode(h.hash, 'hex') as head,
       b.seq as broken_at, b.reason
  from audit_head h left join practice p on p.id = h.chain
  left join app.broken_audit() b on b.chain = h.chain
 order by p.slug nulls first
"""
_HEADS = "select chain, seq, encode(hash, 'hex') as head from audit_head order by chain"


async def verify(database: Database) -> list[Chain]:
    """Every chain, read from its first entry to its last."""
    async with database.as_oncall() as connection:
        rows = await connection.fetch(_CHAINS)
    return [
        Chain(row["practice"], row["seq"], row["head"], row["broken_at"], row["reason"])
        for row in rows
    ]


async def write_heads_down(database: Database) -> None:
    """Put each chain's head into the log, which whoever shortens a chain had to change too."""
    async with database.as_dispatcher() as connection:
        for row in await connection.fetch(_HEADS):
            log.info("audit_head", practice_id=row["chain"], count=row["seq"], head=row["head"])


async def pay_owed(database: Database) -> int:
    """What a lock kept out of the audit goes into it; how many entries."""
    async with database.as_dispatcher() as connection:
        paid: int = await connection.fetchval("select app.pay_audit()")
    return paid


async def note(
    connection: Connection | asyncpg.Connection[Any],
    actor: str,
    action: str,
    *,
    practice_id: UUID | None,
    subject: UUID | None = None,
    **data: str,
) -> None:
    """Append one entry. `actor` is a person's id or a word; `data` holds codes, never a name."""
    await connection.execute(
        # On-call meets a view under the table's bare name.
        "insert into public.audit (practice_id, actor, action, subject, data)"
        " values ($1, $2, $3, $4, $5)",
        practice_id,
        actor,
        action,
        None if subject is None else str(subject),
        data,
    )
