"""What trouble of the house itself leaves undone, in all practices, whatever their providers."""

from __future__ import annotations

from typing import Any

from mentalspace.engine.db import Connection
from mentalspace.engine.person import PERSON
from mentalspace.engine.queued import NEAR, RESTED, RESTS, WAITS
from mentalspace.workflows.impact.people import NUMBERS, PEOPLE

_ROW = "d.practice_id, d.status, d.due_at, d.subject_type, d.subject_id"
_OF = f"{PERSON} as person, {_ROW}"
# Who waits for something else: behind a lane or a breaker that had stopped before, or for the next
# try of what a provider had failed.
_ELSEWHERE = """
(exists (select from lane l where l.id = d.lane_id and l.state = 'paused'
            and l.paused_at < clock.since)
 or exists (select from credential_state s where s.credential_id = d.credential_id
               and s.breaker <> 'closed' and s.opened_at < clock.since)
 or d.first_attempt_at < clock.since and d.attempts > 0 and d.next_attempt_at > clock.until)
"""
# What was due while it lasted ($1 to $2, now if null) and has not left, what left more than a
# minute late or ran out of time, and the appointments of whoever was not told; of what had met
# another trouble before it began nothing. What was never written down cannot be counted.
_IMPACT = f"""
with clock as materialized (
  select $1::timestamptz as since, coalesce($2::timestamptz, app.now()) as until
), touched as (
  select {_OF}, {RESTS} as rests from clock cross join credential c
    join delivery d on d.credential_id = c.id
   where c.drill is null and d.drill is null and {NEAR} and d.due_at <= clock.until
     and (d.unknown_at >= clock.since or {RESTS} or {WAITS} and not {_ELSEWHERE})
  union all
  select d.*, false from clock cross join credential c cross join lateral (
    select {_OF} from delivery d
     where d.credential_id = c.id and d.drill is null and d.due_at <= clock.until
       and coalesce(d.accepted_at, d.ended_at) between clock.since
         and clock.until + interval '6 hours'
       and (d.status in ('accepted', 'delivered') or d.status = 'expired')
       and coalesce(d.accepted_at, d.ended_at)
           > greatest(d.due_at, clock.since) + interval '1 minute'
       and coalesce(d.first_attempt_at >= clock.since, true)
       and not {RESTED}) d
   where c.drill is null
), every_one as (
  select t.person, t.practice_id, t.status, t.due_at, t.rests,
         t.status in ('accepted', 'delivered') as through, t.status = 'expired' as ended,
         a.starts_at
    from touched t
    left join appointment a on t.subject_type = 'appointment' and a.id = t.subject_id
     and a.status = 'scheduled' and a.starts_at > app.now()
), told as (
  select 'house' as key, person, through,
         ended, false as moot, false as otherwise, false as coming
    from every_one where not rests
)
{PEOPLE}
, soon as (
  select count(distinct {PERSON}) as people_soon, min(d.due_at) as soon_at
    from credential c join delivery d on d.credential_id = c.id
   where c.drill is null and d.drill is null and d.status = 'pending' and d.due_at > app.now()
     and d.due_at <= app.now() + interval '24 hours'
     and {PERSON} not in (select person from told)
), sums as (
  select count(distinct practice_id) filter (where not rests) as practices,
         count(*) filter (where not rests) as messages,
         count(*) filter (where through) as through,
         count(*) filter (where status in ('pending', 'due', 'sending') and not rests) as waiting,
         count(*) filter (where rests) as resting,
         count(distinct person) filter (where rests) as people_resting,
         count(*) filter (where status = 'unknown') as unknown, 0::int8 as held,
         count(*) filter (where ended) as ended,
         count(*) filter (where ended) as lost,
         0::int8 as cancelled,
         min(starts_at) filter (where not through and not rests) as next_appointment_at,
         min(due_at) filter (where not through and not rests) as oldest_at,
         null::timestamptz as next_attempt_at
    from every_one
)
select sums.*, {NUMBERS}, soon.people_soon, soon.soon_at
  from sums cross join soon left join people on people.key is null
"""


async def read_house_impact(connection: Connection, incident: Any) -> Any:
    """How many people, and how they stand."""
    over = incident["recovered_at"] or incident["resolved_at"]
    impact = await connection.fetchrow(_IMPACT, incident["since"], over)
    assert impact is not None
    return impact
