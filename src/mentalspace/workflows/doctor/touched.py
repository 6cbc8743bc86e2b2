"""Who is not reached as things stand, incident or none, and when the first of them is expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.person import PERSON
from mentalspace.engine.queued import NEAR, WAITS

# Of a delivery `d`: the appointment `a` it is about, while somebody is to come to it.
COMING = """
left join appointment a on d.subject_type = 'appointment' and a.id = d.subject_id
 and a.status = 'scheduled' and a.starts_at > app.now()
"""
# It ended without arriving, somebody comes all the same, and no later message about it got through.
ENDED_WITHOUT = """
(d.status in ('refused', 'failed', 'bounced', 'expired') and a.id is not null and not exists (
   select from delivery o where o.subject_id = d.subject_id and o.created_at >= d.created_at
      and o.status in ('accepted', 'delivered')))
"""
_TOUCHED = f"""
select credential_id, count(distinct person) as people, min(starts_at) as next_at
  from (select d.credential_id, {PERSON} as person, a.starts_at from delivery d {COMING}
         where d.credential_id = any ($1) and d.drill is null
           and {NEAR} and (d.status in ('unknown', 'held') or {WAITS})
         union all
        select d.credential_id, {PERSON} as person, a.starts_at from delivery d {COMING}
         where d.credential_id = any ($1) and d.drill is null and {ENDED_WITHOUT}
           and d.ended_at > app.now() - interval '1 day') without
 group by grouping sets ((), (credential_id))
"""


@dataclass(frozen=True, slots=True)
class Touched:
    """`people` are clients, each once; `next_at` is the first appointment among them."""

    people: int = 0
    next_at: datetime | None = None

    def public(self) -> dict[str, Any]:
        return {
            "people": self.people,
            "next_at": self.next_at.isoformat() if self.next_at else None,
        }


async def read_touched(
    connection: Connection, credential_ids: Sequence[UUID]
) -> Mapping[UUID, Touched]:
    """By credential: whose message is due and has not left, is unknown or held, or ended within a
    day without arriving and nothing told them otherwise. What is well has no entry."""
    rows = await connection.fetch(_TOUCHED, list(credential_ids))
    return {
        row["credential_id"]: Touched(row["people"], row["next_at"])
        for row in rows
        if row["credential_id"] is not None
    }


async def read_all_touched(connection: Connection, credential_ids: Sequence[UUID]) -> Touched:
    """Of all these credentials as one: who waits behind two of them is one person."""
    rows = await connection.fetch(_TOUCHED, list(credential_ids))
    return next(
        (Touched(row["people"], row["next_at"]) for row in rows if row["credential_id"] is None),
        Touched(),
    )
