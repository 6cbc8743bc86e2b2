"""Moves what surely has not left from a credential that is out to the practice's next one.

Out means: its breaker is open, or the runbook has paused its lane, for longer than it may be; or a
person has switched it. A breaker that a person set by hand otherwise moves nothing.
"""

from __future__ import annotations

from typing import Any

from mentalspace.engine.db import Connection
from mentalspace.engine.log import get_logger

AT_ONCE = 500

log = get_logger(__name__)

# A lane that is out, and the lane of its class that takes over: of the practice's other
# credentials, drills and practice kept apart, the first in rank that works. `may_probe` says
# that the breaker would let one delivery through now, to see. Where none works, one that may be
# probed is given a single delivery: nothing else would ever close the breaker of who stands by.
_OUT = """
select l.id as lane_id, l.credential_id, c.provider, l.paused_for_phi,
       next.lane_id as to_lane, next.credential_id as to_credential, next.provider as to_provider,
       next.may_carry_phi, next.to_probe,
       case when l.state = 'paused' then l.paused_case end as paused_case,
       s.override_moves and s.override_until > app.now() as switched,
       l.state = 'open' and s.open_until <= clock_timestamp()
         and coalesce(s.override_until <= app.now(), true)
         and (s.breaker = 'open' or s.probe_until <= clock_timestamp()) as may_probe
  from lane l
  join credential c on c.id = l.credential_id
  join credential_state s on s.credential_id = c.id
  cross join lateral (
    select o.id as lane_id, b.id as credential_id, b.provider,
           not b.needs_agreement or app.agreement_holds(b.practice_id, b.provider) as may_carry_phi,
           not standing.works as to_probe
      from credential b
      join credential_state t on t.credential_id = b.id
      join lane o on o.credential_id = b.id and o.class = l.class
     cross join lateral (
       select case when t.override_until > app.now() then t.override_state = 'closed'
                   else t.breaker = 'closed' end as works,
              coalesce(t.override_until <= app.now(), true) and t.open_until <= clock_timestamp()
                and coalesce(t.probe_until <= clock_timestamp(), true)
                and not exists (select from delivery d where d.credential_id = b.id
                                   and d.status in ('pending', 'due', 'sending', 'unknown')
                                   and d.due_at <= app.now()) as idle) standing
     where b.practice_id = c.practice_id and b.integration = c.integration and b.id <> c.id
       and b.drill is not distinct from c.drill and b.active and not b.test_only
       and o.state = 'open'
       and (standing.works or standing.idle)
     order by standing.works desc, b.rank, b.created_at limit 1) next
 where c.active
   and (l.state = 'paused' and l.paused_by = 'runbook'
          and l.paused_at <= app.now() - c.fail_over_after_s * interval '1 s'
        or s.breaker <> 'closed' and coalesce(s.override_until <= app.now(), true)
          and s.opened_at <= app.now() - c.fail_over_after_s * interval '1 s'
        or s.override_moves and s.override_until > app.now())
   and exists (select from delivery d where d.credential_id = c.id and d.lane_id = l.id
                  and d.status in ('pending', 'due') and d.due_at <= app.now())
 order by l.class  -- bulk first: what is kept for a probe is kept of it
"""
# Its own time has come, it is still of use, and it surely has not left. What is kept for a probe
# is ready to go.
_STAYED = """
batch_id is null and not exists (
  select from attempt_delivery ad join attempt a on a.id = ad.attempt_id
   where ad.delivery_id = d.id and a.state in ('open', 'unknown'))
"""
_LOCK = f"""
select id, next_attempt_at <= app.now() as ready from delivery d
 where lane_id = $1 and status in ('pending', 'due') and due_at <= app.now()
   and (expires_at is null or expires_at > app.now())
   and (not $2 or carries_phi) and ($3 or not carries_phi) and {_STAYED}
 order by due_at limit $4 for update skip locked
"""
# Asked again once they are locked: nothing of them can be opened any more, and what was is seen.
_MOVE = f"""
with moved as (
  update delivery d set lane_id = $2, credential_id = $3, next_attempt_at = app.now()
   where d.id = any($1) and d.status in ('pending', 'due') and {_STAYED}
  returning d.id, d.practice_id, d.drill
), told as (
  insert into timeline (practice_id, delivery_id, lane_id, kind, data, actor, drill)
  select practice_id, id, $2, 'moved', $4, 'dispatcher', drill from moved
  returning 1
) select count(*) from told
"""


async def fail_over(connection: Connection) -> int:
    """One look at every lane, as the dispatcher; how many deliveries were moved.

    What was perhaps sent stays where it may have gone: only that provider knows of it. One
    delivery of a credential whose breaker may be probed stays too, or it would never close.
    """
    probed: set[Any] = set()  # credentials that have the one delivery that tries them
    moved = 0
    for lane in await connection.fetch(_OUT):
        locked = await connection.fetch(
            _LOCK, lane["lane_id"], lane["paused_for_phi"], lane["may_carry_phi"], AT_ONCE
        )
        ids = [row["id"] for row in locked]
        if lane["may_probe"] and lane["credential_id"] not in probed:
            ready = [row["id"] for row in locked if row["ready"]]
            if ready:
                probed.add(lane["credential_id"])
                ids.remove(ready[-1])
        if lane["to_probe"]:
            ids = [] if lane["to_credential"] in probed else ids[-1:]
            probed.add(lane["to_credential"])
        moved += await _move(connection, lane, ids)
    return moved


async def _move(connection: Connection, lane: Any, ids: list[Any]) -> int:
    if not ids:
        return 0
    data = {
        "from": lane["provider"],
        "to": lane["to_provider"],
        "because": _because(lane),
        "case": lane["paused_case"],
        "from_lane": str(lane["lane_id"]),
    }
    count: int = await connection.fetchval(_MOVE, ids, lane["to_lane"], lane["to_credential"], data)
    if count:
        log.warning("failed_over", lane_id=lane["lane_id"], to_lane=lane["to_lane"], count=count)
    return count


def _because(lane: Any) -> str:
    if lane["switched"]:
        return "switched"
    return "paused" if lane["paused_case"] else "breaker"
