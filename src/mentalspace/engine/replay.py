"""Dead letters sent again together: first how many may go, then those that surely may.

What is held falls into three heaps. *Safe*: nothing of it ever left, or the provider said no.
*Perhaps sent*: a request of it was never answered, so a person looks at the provider first, one by
one. *Of no use*: its time has passed; yesterday's reminder is not sent today. What a person holds
lies apart from all that, by who holds it and why: theirs is the word that lets it go.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.unheard import COUNT as _COUNT_UNHEARD
from mentalspace.engine.unknown import SHOW_AFTER_S

# So many at once: each is a row locked and a line written. Whoever has more presses again.
MOST_AT_ONCE = 1000

# Said for a case where one is asked for: what met none. No case's id is without a point.
WITHOUT_CASE = "none"


@dataclass(frozen=True, slots=True)
class Hold:
    """Who holds something; nobody if it came to be held by itself. Without a reason, for all of
    theirs."""

    by: str | None
    reason: str | None = None


NOBODYS = Hold(None)


@dataclass(frozen=True, slots=True)
class Heap:
    """Held deliveries of one integration, case and person's hold, in numbers. `people` counts
    recipients; `reason` is the hold's whole sentence, and `held_at` when the first was."""

    integration: str
    case_id: str | None
    held_by: str | None
    reason: str | None
    held_at: datetime | None
    safe: int
    perhaps_sent: int
    of_no_use: int
    people: int
    paused: int  # whose lane stands still: they would wait
    oldest_at: datetime
    useful_until: datetime | None  # when the first of the safe ones becomes useless

    @property
    def total(self) -> int:
        return self.safe + self.perhaps_sent + self.of_no_use

    @property
    def why(self) -> str:
        """The reason without the name before it."""
        return (self.reason or "").removeprefix(f"{self.held_by} holds it: ")


@dataclass(frozen=True, slots=True)
class Progress:
    """What has become of one replay's deliveries."""

    replay: str
    total: int
    waiting: int
    arrived: int  # accepted or delivered
    held_again: int
    failed: int


# A reconciliation that failed says nothing of the request before it, which may have arrived.
_PERHAPS_SENT = """
exists (select from attempt_delivery ad join attempt a on a.id = ad.attempt_id
         where ad.delivery_id = d.id and a.state in ('open', 'unknown'))
"""
# The line that put it there. Besides people, only a worker holds anything.
_PERSON = """
select actor, data ->> 'reason' as reason, at from timeline
 where delivery_id = d.id and kind = 'held' and actor <> 'worker' order by id desc limit 1
"""
_HELD = f"""
select d.*, d.expires_at <= app.now() as useless, l.state = 'paused' as paused,
       {_PERHAPS_SENT} as perhaps, person.actor as held_by, person.reason, person.at as held_at
  from (select id, integration, last_case, lane_id, recipient_key, expires_at, created_at,
               held_reason
          from delivery where status = 'held' and drill is null
           and ($1::text is null or integration = $1)
           and ($2::text is null or coalesce(last_case, '{WITHOUT_CASE}') = $2)
           and ($3::uuid is null or credential_id = $3)) d
  join lane l on l.id = d.lane_id
  left join lateral ({_PERSON}) person on person.reason = d.held_reason
 where ($4::text is null or coalesce(person.actor, '') = $4)
   and ($5::text is null or person.reason = $5)
"""
_HEAPS = f"""
with held as ({_HELD})
select integration, last_case as case_id, held_by, reason, min(held_at) as held_at,
       count(*) filter (where not coalesce(useless, false) and not perhaps) as safe,
       count(*) filter (where not coalesce(useless, false) and perhaps) as perhaps_sent,
       count(*) filter (where useless) as of_no_use,
       count(distinct recipient_key) as people, count(*) filter (where paused) as paused,
       min(created_at) as oldest_at,
       min(expires_at) filter (where not useless and not perhaps) as useful_until
  from held group by 1, 2, 3, 4 order by count(*) desc, 1, 2 nulls last, 3 nulls first, 4
"""
_CHOSEN = f"""
with held as ({_HELD}), chosen as (
  select d.id, d.practice_id, d.lane_id from delivery d join held h on h.id = d.id
   where d.status = 'held' and coalesce(h.useless, false) = $6 and not (h.perhaps and not $6)
   order by d.expires_at nulls last, d.created_at limit $7 for update of d skip locked
), moved as (
  update delivery d set {{change}} from chosen where d.id = chosen.id
  returning d.id, d.practice_id, d.lane_id
), said as (
  insert into timeline (practice_id, delivery_id, lane_id, kind, data, actor)
  select practice_id, id, lane_id, $8, $9, $10 from moved
)
select count(*) from moved
"""
_RELEASE = _CHOSEN.format(
    change="status = 'pending', held_reason = null, starts = 0, next_attempt_at = app.now()"
)
_CLOSE = _CHOSEN.format(change="status = 'cancelled'")
_STOP = """
with chosen as (
  select d.id, d.practice_id, d.lane_id
    from timeline t join delivery d on d.id = t.delivery_id
   where t.kind = 'released' and t.data ->> 'replay' = $1 and d.status in ('pending', 'due')
   for update of d
), moved as (
  update delivery d set status = 'held', held_reason = $2 || ' stopped its replay' from chosen
   where d.id = chosen.id returning d.id, d.practice_id, d.lane_id
), said as (
  insert into timeline (practice_id, delivery_id, lane_id, kind, data, actor)
  select practice_id, id, lane_id, 'held',
         jsonb_build_object('reason', $2 || ' stopped its replay'), $2 from moved
)
select count(*) from moved
"""
_COUNT = f"""
select (select count(*) from delivery where status = 'held' and drill is null)
     + (select count(*) from delivery
         where unknown_at <= app.now() - $1 * interval '1 s' and drill is null)
     + ({_COUNT_UNHEARD})
"""
_PROGRESS = """
select count(*) as total,
       count(*) filter (where d.status in ('pending', 'due', 'sending', 'unknown')) as waiting,
       count(*) filter (where d.status in ('accepted', 'delivered')) as arrived,
       count(*) filter (where d.status = 'held') as held_again,
       count(*) filter (where d.status in ('bounced', 'refused', 'failed', 'expired',
                                           'cancelled')) as failed
  from timeline t join delivery d on d.id = t.delivery_id
 where t.kind = 'released' and t.data ->> 'replay' = $1
"""


async def count_for_a_person(connection: Connection) -> int:
    """How many the caller should look at: held, perhaps sent, or taken and never heard of."""
    count: int = await connection.fetchval(_COUNT, SHOW_AFTER_S)
    return count


async def preflight(
    connection: Connection,
    integration: str | None = None,
    case_id: str | None = None,
    credential_id: UUID | None = None,
    hold: Hold | None = None,
) -> list[Heap]:
    """What the caller may see of what is held, the largest heap first. Changes nothing.

    Here as below `case_id` is None for every case, and WITHOUT_CASE for what met none; `hold` is
    None for what anybody holds or nobody, and NOBODYS for what no person does.
    """
    which = (integration, case_id, credential_id, *_of(hold))
    rows = await connection.fetch(_HEAPS, *which)
    return [Heap(**dict(row)) for row in rows]


async def replay(
    connection: Connection,
    actor: str,
    integration: str | None = None,
    case_id: str | None = None,
    credential_id: UUID | None = None,
    hold: Hold | None = None,
) -> tuple[str, int]:
    """Send the safe ones again, under their own keys; the replay's id and how many there were.

    At most MOST_AT_ONCE, those that become useless soonest first. Whatever came about between
    the preflight and now is looked at anew.
    """
    replay_id = secrets.token_hex(6)
    data = {"replay": replay_id}
    which = (integration, case_id, credential_id, *_of(hold))
    return replay_id, await _move(connection, _RELEASE, False, "released", data, actor, which)


async def close_useless(
    connection: Connection,
    actor: str,
    integration: str | None = None,
    case_id: str | None = None,
    hold: Hold | None = None,
) -> int:
    """End what is of no use any more; how many."""
    data = {"reason": "its time has passed"}
    which = (integration, case_id, None, *_of(hold))
    return await _move(connection, _CLOSE, True, "given_up", data, actor, which)


async def stop(connection: Connection, replay_id: str, actor: str) -> int:
    """Hold what of a replay has not left yet; how many."""
    count: int = await connection.fetchval(_STOP, replay_id, actor)
    return count


async def progress(connection: Connection, replay_id: str) -> Progress | None:
    """None if there is no such replay, or nothing of it that the caller may see."""
    row = await connection.fetchrow(_PROGRESS, replay_id)
    return Progress(replay_id, **dict(row)) if row is not None and row["total"] else None


def _of(hold: Hold | None) -> tuple[str | None, str | None]:
    return (None, None) if hold is None else (hold.by or "", hold.reason)


async def _move(
    connection: Connection,
    sql: str,
    useless: bool,
    kind: str,
    data: dict[str, Any],
    actor: str,
    which: tuple[str | None, str | None, UUID | None, str | None, str | None],
) -> int:
    count: int = await connection.fetchval(sql, *which, useless, MOST_AT_ONCE, kind, data, actor)
    return count
