"""How many people incidents touch, and how they stand: one, those of one cause, or several that
have to do with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.cause import LATER
from mentalspace.engine.db import Connection
from mentalspace.engine.person import PERSON
from mentalspace.engine.queued import NEAR, RESTED, RESTS, WAITS
from mentalspace.workflows.impact.about import FAILURES, About
from mentalspace.workflows.impact.people import NUMBERS, PEOPLE

# Asked of each incident, by its index: of several, a plan would else read the whole ledger once.
_EACH = "offset 0"
# Everybody whose message failed by our or the provider's fault since it began, or since it turned
# out to be ours, and by what its tries said alone if the rule sees one (`by_fault`); and whoever
# waited in line behind them until `good_at`, the first good answer after the last failure: what
# then got through, what still waits, and what ran out of time. Without a good answer yet, whoever
# waits now. Who went over to the next provider is one of them. What only rests until its hours
# begin is nobody's trouble, unless a try of it failed. All that if the rule counts it (`lanes`);
# `returns` if it counts what came back, by the `cases` if any, and not by `not_cases`. What met
# an older trouble and was not tried since is that one's: between them the provider answered well,
# or what was theirs turned into ours. Whoever was told the same in another way is reached. Each
# incident is counted under a key, whoever is under several keys is one of each; a credential of
# which no incident tells yet is asked about in the same way, since $8.
_TOLD = f"""
with asked as (
  select *, string_to_array(case_list, ',') as cases,
         string_to_array(not_case_list, ',') as not_cases
    from unnest($1::uuid[], $2::text[], $3::bool[], $4::bool[], $5::bool[], $6::text[], $7::text[],
                $8::timestamptz[])
         as asked (id, key, lanes, returns, by_fault, case_list, not_case_list, since)
), member as materialized (
  select asked.key, asked.lanes, asked.returns, asked.cases, asked.not_cases, i.credential_id,
         i.resolved_at, i.drill, last.good_at, i.turned_at is not null as turned,
         greatest(i.since, i.turned_at) as since,
         case when asked.by_fault and i.fault in ('ours', 'theirs')
              then coalesce(i.met, i.fault) end as fault,
         coalesce(last.good_at, i.resolved_at, app.now()) as line_until,
         coalesce(i.resolved_at, 'infinity') as until
    from asked cross join lateral (
      select credential_id, since, (facts ->> 'turned_at')::timestamptz as turned_at, fault,
             facts ->> 'met' as met, resolved_at, drill
        from incident where id = asked.id and asked.since is null
      union all
      select asked.id, asked.since, null, null, null, null, null where asked.since is not null) i
    left join lateral (
      select (select min(good.finished_at) from attempt good
               where good.credential_id = i.credential_id and good.state = 'succeeded'
                 and good.finished_at > bad.finished_at) as good_at
        from attempt bad where bad.credential_id = i.credential_id
         and bad.state in ('failed', 'unknown')
         and bad.finished_at <= coalesce(i.resolved_at, 'infinity')
       order by bad.finished_at desc limit 1) last on true
), touched as (
  select m.key, ad.delivery_id as id
    from member m cross join lateral (
      select a.id from attempt a where a.credential_id = m.credential_id
         and a.finished_at between m.since and m.until and a.state in ('failed', 'unknown')
         and a.fault is distinct from 'recipient' and a.drill is not distinct from m.drill
         and (m.fault is null or a.fault is null or a.fault = m.fault) {_EACH}) a
    join attempt_delivery ad on ad.attempt_id = a.id
   where m.lanes
  union
  select m.key, ad.delivery_id
    from member m cross join lateral (
      select a.id from attempt a where a.credential_id = m.credential_id
         and a.finished_at between m.good_at and m.good_at + interval '6 hours'
         and a.state = 'succeeded' and a.drill is not distinct from m.drill {_EACH}) a
    join attempt_delivery ad on ad.attempt_id = a.id join delivery d on d.id = ad.delivery_id
   where m.lanes and d.due_at <= m.line_until and not {RESTED}
  union
  select m.key, d.id from member m cross join lateral (
      select d.id, d.drill, d.due_at, d.attempts from delivery d
       where d.credential_id = m.credential_id and {NEAR}
         and (d.status in ('unknown', 'held') or {WAITS})
      union all
      select d.id, d.drill, d.due_at, d.attempts from delivery d
       where d.credential_id = m.credential_id and d.status = 'expired'
         and d.ended_at between m.since and m.line_until) d
    left join lateral (
      select a.finished_at as at, a.fault from attempt_delivery ad
        join attempt a on a.id = ad.attempt_id
       where d.attempts > 0 and ad.delivery_id = d.id and a.state in ('failed', 'unknown')
         and not coalesce({LATER}, false)
       order by a.finished_at desc limit 1) tried on true
   where m.lanes and d.drill is not distinct from m.drill and d.due_at <= m.line_until
     and coalesce(tried.fault not in ('ours', 'theirs') or tried.fault = m.fault, true)
     and not coalesce(tried.at < m.since and (m.turned or exists (
       select from attempt good
        where good.credential_id = m.credential_id and good.state = 'succeeded'
          and good.finished_at between tried.at and m.since)), false)
  union
  select m.key, d.id from member m cross join lateral (
      select d.id from delivery d where d.credential_id = m.credential_id
         and d.ended_at between m.since and m.until and d.drill is not distinct from m.drill
         and (d.status = 'bounced' or d.status = 'failed' and d.accepted_at is not null
           or d.status = 'refused' and d.last_case = any (m.cases))
         and (m.cases is null or d.last_case = any (m.cases))
         and coalesce(d.last_case <> all (m.not_cases), true) {_EACH}) d
   where m.returns
  union
  select m.key, t.delivery_id
    from member m join lane l on l.credential_id = m.credential_id
    join timeline t on t.data ->> 'from_lane' = l.id::text
   where m.lanes and t.kind = 'moved' and t.drill is not distinct from m.drill and t.at >= m.since
     and t.at <= m.until
), told as (
  select touched.key, {PERSON} as person, d.practice_id, d.status, d.attempts, d.next_attempt_at,
         {RESTS} as rests,
         d.status in ('accepted', 'delivered') as through, d.status = 'cancelled' as moot,
         d.status in ('refused', 'failed', 'bounced', 'expired') as ended,
         o.told as otherwise, o.coming,
         case when a.status = 'scheduled' and a.starts_at > app.now() then a.starts_at end
           as starts_at
    from touched join delivery d on d.id = touched.id
    left join appointment a on d.subject_type = 'appointment' and a.id = d.subject_id
   cross join lateral (
      select coalesce(bool_or(o.status in ('accepted', 'delivered')), false) as told,
             coalesce(bool_or(o.status in ('pending', 'due', 'sending', 'unknown')
               and o.integration <> d.integration and o.due_at <= app.now()), false) as coming
        from delivery o
       where d.status in ('refused', 'failed', 'bounced', 'expired')
         and o.subject_id = d.subject_id and o.id <> d.id and o.kind = d.kind
         and o.created_at >= d.created_at) o
)
{PEOPLE}
"""
_NEXT = """
       min(starts_at) filter (where not through and not otherwise and not moot)
         as next_appointment_at
"""
# One line a key, and one of all, without a key. `people_soon` are others, whose message is due
# within a day: it is tried then at the latest.
_IMPACT = f"""
{_TOLD}
, soon as (
  select count(distinct d.person) as people_soon, min(d.due_at) as soon_at
    from member m cross join lateral (
      select {PERSON} as person, d.due_at from delivery d
       where d.credential_id = m.credential_id and d.drill is not distinct from m.drill
         and d.status = 'pending' and d.next_attempt_at <= app.now() + interval '24 hours'
         and d.due_at > app.now() and d.due_at <= app.now() + interval '24 hours' {_EACH}) d
   where d.person not in (select person from told)
)
select sums.*, {NUMBERS}, soon.people_soon, soon.soon_at
  from (
select key, count(*) as messages,
       count(*) filter (where through) as through,
       count(*) filter (where status in ('pending', 'due', 'sending') and not rests) as waiting,
       count(*) filter (where rests) as resting,
       count(*) filter (where status = 'unknown') as unknown,
       count(*) filter (where status = 'held') as held,
       count(*) filter (where status in ('refused', 'failed', 'bounced', 'expired')) as ended,
       count(*) filter (where ended and not otherwise and not coming) as lost,
       count(*) filter (where moot) as cancelled, {_NEXT},
       min(next_attempt_at) filter (where status in ('pending', 'due', 'unknown')
         and attempts > 0) as next_attempt_at
  from told group by grouping sets ((), (key))) sums
  left join people on people.key is not distinct from sums.key
 cross join soon
"""
# The same people; nothing of messages, of which one may have met several of the incidents.
JOINT = f"""
{_TOLD}
select sums.*, {NUMBERS}
  from (select key, count(distinct practice_id) as practices, {_NEXT}
          from told group by grouping sets ((), (key))) sums
  left join people on people.key is not distinct from sums.key
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """An incident, counted under `key` by what its rule counts; or a credential, `since` then."""

    id: UUID
    key: str
    about: About = FAILURES
    since: datetime | None = None


async def read_impact(
    connection: Connection, incident_ids: Sequence[UUID], about: About = FAILURES
) -> dict[UUID | None, Any]:
    """What each of them did, and under None all of them together."""
    asked = [Asked(id_, str(id_), about) for id_ in incident_ids]
    rows = await connection.fetch(_IMPACT, *columns(asked))
    return {UUID(row["key"]) if row["key"] else None: row for row in rows}


async def read_joint(connection: Connection, asked: Sequence[Asked]) -> dict[str | None, Any]:
    """How many people they touch under each key, and under None all of them together: whoever met
    several is one."""
    rows = await connection.fetch(JOINT, *columns(asked))
    return {row["key"]: row for row in rows}


def columns(asked: Sequence[Asked]) -> tuple[list[Any], ...]:
    """The parameters of both questions."""
    return (
        [one.id for one in asked],
        [one.key for one in asked],
        [one.about.lanes for one in asked],
        [one.about.returns for one in asked],
        [one.about.by_fault for one in asked],
        [",".join(one.about.cases) or None for one in asked],
        [",".join(one.about.not_cases) for one in asked],
        [one.since for one in asked],
    )
