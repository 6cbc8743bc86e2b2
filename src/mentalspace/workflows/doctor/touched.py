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
# With nothing open, trouble is present that something failed by within so many minutes.
_LATELY = "interval '15 min'"
# Since when the present trouble of a credential lasts: its incident that is not over, its pause,
# its breaker. What is due and could leave now waits for the present; of whatever else its last try
# says when it was touched.
_ITS_TURN = f"({WAITS} and d.next_attempt_at <= app.now())"
_TOUCHED = f"""
with since as materialized (
  select c.id, least(
           (select min(i.since) from incident i
             where i.credential_id = c.id and i.drill is null and i.status <> 'resolved'
               and i.recovered_at is null),
           (select min(l.paused_at) from lane l
             where l.credential_id = c.id and l.state = 'paused'),
           case when s.breaker <> 'closed' then s.opened_at end,
           app.now() - {_LATELY}) as at
    from unnest($1::uuid[]) as c (id) left join credential_state s on s.credential_id = c.id
), without as (
  select d.credential_id, {PERSON} as person, a.starts_at,
         case when {_ITS_TURN} then app.now() else coalesce(tried.at, d.due_at) end as at
    from delivery d {COMING}
   cross join lateral (
     select max(t.finished_at) as at from attempt_delivery td join attempt t on t.id = td.attempt_id
      where td.delivery_id = d.id and d.attempts > 0 and not {_ITS_TURN}) tried
   where d.credential_id = any ($1) and d.drill is null
     and {NEAR} and (d.status in ('unknown', 'held') or {WAITS})
  union all
  select d.credential_id, {PERSON} as person, a.starts_at, d.ended_at from delivery d {COMING}
   where d.credential_id = any ($1) and d.drill is null and {ENDED_WITHOUT}
     and d.ended_at > app.now() - interval '1 day'
), whose as (
  select w.credential_id, w.person, bool_or(w.at >= since.at) as now, min(w.at) as at,
         min(w.starts_at) as starts_at
    from without w join since on since.id = w.credential_id
   group by grouping sets ((w.person), (w.credential_id, w.person))
)
select credential_id, count(*) filter (where now) as people,
       min(starts_at) filter (where now) as next_at,
       count(*) filter (where not now) as before, min(at) filter (where not now) as before_since,
       min(starts_at) filter (where not now) as before_next_at
  from whose group by credential_id
"""


@dataclass(frozen=True, slots=True)
class Touched:
    """`people` are clients whom the present trouble keeps from being reached, each once; `next_at`
    is the first appointment among them. `before` are those whom only older trouble left behind, the
    first of them at `before_since`."""

    people: int = 0
    next_at: datetime | None = None
    before: int = 0
    before_since: datetime | None = None
    before_next_at: datetime | None = None

    def public(self) -> dict[str, Any]:
        return {
            "people": self.people,
            "next_at": _iso(self.next_at),
            "before": self.before,
            "before_since": _iso(self.before_since),
            "before_next_at": _iso(self.before_next_at),
        }


async def read_touched(
    connection: Connection, credential_ids: Sequence[UUID]
) -> Mapping[UUID, Touched]:
    """By credential: whose message is due and has not left, is unknown or held, or ended within a
    day without arriving and nothing told them otherwise. What is well has no entry."""
    rows = await connection.fetch(_TOUCHED, list(credential_ids))
    return {row["credential_id"]: _touched(row) for row in rows if row["credential_id"] is not None}


async def read_all_touched(connection: Connection, credential_ids: Sequence[UUID]) -> Touched:
    """Of all these credentials as one: who waits behind two of them is one person."""
    rows = await connection.fetch(_TOUCHED, list(credential_ids))
    return next(
        (_touched(row) for row in rows if row["credential_id"] is None),
        Touched(),
    )


def _touched(row: Any) -> Touched:
    return Touched(
        row["people"],
        row["next_at"],
        row["before"],
        row["before_since"],
        row["before_next_at"],
    )


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
