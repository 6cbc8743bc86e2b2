"""Vendor agreements: without one that holds today, what names clients does not leave."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record
from mentalspace.kernel.errors import Evidence, Refused

# The evidence's code, and the name of each room's case for it.
NO_AGREEMENT = "no_agreement"

_RECORD = """
insert into vendor_agreement (practice_id, vendor, signed_on, expires_on, reference, recorded_by,
                              drill)
values ($1, $2, $3, $4, $5, $6, $7) returning id
"""
_REVOKE = """
update vendor_agreement set revoked_at = app.now(), revoked_by = $2
 where id = $1 and revoked_at is null returning vendor
"""
# The latest end of the agreements that hold: 'infinity' where one has none.
_STANDINGS = """
select c.id as credential_id, c.practice_id, c.integration, c.provider, c.endpoint, c.live,
       c.test_only, c.needs_agreement, app.agreement_holds(c.practice_id, c.provider) as holds,
       app.today(c.practice_id) as today,
       (select nullif(max(coalesce(a.expires_on, 'infinity')), 'infinity') from vendor_agreement a
         where a.practice_id = c.practice_id and a.vendor = c.provider and a.revoked_at is null
           and a.signed_on <= app.today(c.practice_id)) as ends_on
  from credential c where c.active and c.drill is null order by c.integration, c.endpoint
"""
_RESUME = """
update lane l set state = 'open', paused_at = null, paused_until = null, paused_case = null,
                  paused_by = null, paused_for_phi = false
  from credential c
 where c.id = l.credential_id and l.state = 'paused' and l.paused_for_phi
   and (not c.needs_agreement or app.agreement_holds(c.practice_id, c.provider))
returning l.id, l.practice_id, c.drill
"""


@dataclass(frozen=True, slots=True)
class NewAgreement:
    """`expires_on` is the first day on which it holds no more; None until it is revoked.
    `reference` says where the document is kept."""

    practice_id: UUID
    vendor: str
    signed_on: date
    expires_on: date | None
    reference: str
    drill: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a credential in use stands with its vendor today. `ends_on` is None without an end,
    or without an agreement."""

    credential_id: UUID
    practice_id: UUID
    integration: str
    provider: str
    endpoint: str
    live: bool
    test_only: bool
    needs_agreement: bool
    holds: bool
    today: date
    ends_on: date | None

    @property
    def is_missing(self) -> bool:
        return self.needs_agreement and not self.holds


def refuse_phi(*, barred: bool, carries_phi: bool) -> Evidence | None:
    """What the lane asks before each attempt: whether this delivery must wait for an agreement.

    `barred` says that the lane's credential needs one and that none holds today.
    """
    if barred and carries_phi:
        return Evidence("refused_locally", code=NO_AGREEMENT)
    return None


async def add_agreement(
    connection: Connection | asyncpg.Connection[Any], new: NewAgreement, recorded_by: str
) -> UUID:
    """Write one down; the dispatcher lets what waited for it go. Raises Refused for bad days."""
    if new.expires_on is not None and new.expires_on <= new.signed_on:
        raise Refused("ends_before_it_begins", "an agreement ends after the day it was signed")
    agreement_id: UUID = await connection.fetchval(
        _RECORD,
        new.practice_id,
        new.vendor,
        new.signed_on,
        new.expires_on,
        new.reference,
        recorded_by,
        new.drill,
    )
    return agreement_id


async def revoke_agreement(
    connection: Connection | asyncpg.Connection[Any], agreement_id: UUID, revoked_by: str
) -> str | None:
    """It holds no more from this moment; its vendor. None if there is no such one that did."""
    vendor: str | None = await connection.fetchval(_REVOKE, agreement_id, revoked_by)
    return vendor


async def standings(connection: Connection | asyncpg.Connection[Any]) -> list[Standing]:
    """Every credential in use that the connection's role sees."""
    return [Standing(**dict(row)) for row in await connection.fetch(_STANDINGS)]


async def resume_agreed(connection: Connection) -> None:
    """Open the lanes that waited for an agreement which holds now; for the dispatcher's tick."""
    for row in await connection.fetch(_RESUME):
        await record(
            connection,
            "lane_resumed",
            practice_id=row["practice_id"],
            lane_id=row["id"],
            data={"because": "a vendor agreement holds"},
            actor="dispatcher",
            drill=row["drill"],
        )
