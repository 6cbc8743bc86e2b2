"""What an incident did, to how many people, and what was done about it already: of one practice,
or of all that one cause strikes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from mentalspace.console.about import About
from mentalspace.console.queries.apart import read_apart
from mentalspace.console.queries.fleet_sql import PAUSED
from mentalspace.console.queries.house import read_house_facts
from mentalspace.console.queries.people import NUMBERS, PEOPLE
from mentalspace.console.words import tried_as
from mentalspace.engine.cause import LATER
from mentalspace.engine.db import Connection
from mentalspace.engine.house_alert import HOUSE
from mentalspace.engine.person import PERSON
from mentalspace.engine.queued import RESTED, RESTS, WAITS

FAILURES = About()

# Everybody whose message failed by our or the provider's fault since it began, or since it turned
# out to be ours, and by what its tries said alone if the rule sees one ($6); and whoever waited in
# line behind them until `good_at`, the first good answer after the last failure: what then got
# through, what still waits, and what ran out of time. Without a good answer yet, whoever waits now.
# Who went over to the next provider is one of them. What only rests until its hours begin is
# nobody's trouble, unless a try of it failed. `people_soon` are others, whose message is due within
# a day. All that if the rule counts it ($2); $3 if it counts what came back, by the cases $4 if
# any, and not by $5. What met an older trouble and was not tried since is that one's: between them
# the provider answered well, or what was theirs turned into ours. Whoever was told the same in
# another way is reached. One line an incident, and one of all, without an id.
_IMPACT = f"""
with member as materialized (
  select i.id as incident_id, i.credential_id, i.resolved_at, i.drill, last.good_at,
         greatest(i.since, (i.facts ->> 'turned_at')::timestamptz) as since,
         i.facts ? 'turned_at' as turned,
         case when $6 and i.fault in ('ours', 'theirs')
              then coalesce(i.facts ->> 'met', i.fault) end as fault,
         coalesce(last.good_at, i.resolved_at, app.now()) as line_until,
         coalesce(i.resolved_at, 'infinity') as until
    from incident i
    left join lateral (
      select (select min(good.finished_at) from attempt good
               where good.credential_id = i.credential_id and good.state = 'succeeded'
                 and good.finished_at > bad.finished_at) as good_at
        from attempt bad where bad.credential_id = i.credential_id
         and bad.state in ('failed', 'unknown')
         and bad.finished_at <= coalesce(i.resolved_at, 'infinity')
       order by bad.finished_at desc limit 1) last on true
   where i.id = any ($1)
), touched as (
  select m.incident_id, ad.delivery_id as id
    from member m join attempt a on a.credential_id = m.credential_id
    join attempt_delivery ad on ad.attempt_id = a.id
   where $2 and a.state in ('failed', 'unknown')
     and a.fault is distinct from 'recipient' and a.drill is not distinct from m.drill
     and (m.fault is null or a.fault is null or a.fault = m.fault)
     and a.finished_at >= m.since and a.finished_at <= m.until
  union
  select m.incident_id, ad.delivery_id
    from member m join attempt a on a.credential_id = m.credential_id
    join attempt_delivery ad on ad.attempt_id = a.id join delivery d on d.id = ad.delivery_id
   where $2 and a.state = 'succeeded' and a.drill is not distinct from m.drill
     and a.finished_at between m.good_at and m.good_at + interval '6 hours'
     and d.due_at <= m.line_until and not {RESTED}
  union
  select m.incident_id, d.id from member m join delivery d on d.credential_id = m.credential_id
    left join lateral (
      select a.finished_at as at, a.fault from attempt_delivery ad
        join attempt a on a.id = ad.attempt_id
       where d.attempts > 0 and ad.delivery_id = d.id and a.state in ('failed', 'unknown')
         and not coalesce({LATER}, false)
       order by a.finished_at desc limit 1) tried on true
   where $2 and d.drill is not distinct from m.drill and d.due_at <= m.line_until
     and (d.status in ('unknown', 'held') or {WAITS}
       or d.status = 'expired' and d.ended_at between m.since and m.line_until)
     and coalesce(tried.fault not in ('ours', 'theirs') or tried.fault = m.fault, true)
     and not coalesce(tried.at < m.since and (m.turned or exists (
       select from attempt good
        where good.credential_id = m.credential_id and good.state = 'succeeded'
          and good.finished_at between tried.at and m.since)), false)
  union
  select m.incident_id, d.id from member m join delivery d on d.credential_id = m.credential_id
   where $3 and d.drill is not distinct from m.drill
     and (d.status = 'bounced' or d.status = 'failed' and d.accepted_at is not null
       or d.status = 'refused' and d.last_case = any ($4))
     and ($4::text[] is null or d.last_case = any ($4)) and coalesce(d.last_case <> all ($5), true)
     and d.ended_at >= m.since and d.ended_at <= m.until
  union
  select m.incident_id, t.delivery_id
    from member m join lane l on l.credential_id = m.credential_id
    join timeline t on t.data ->> 'from_lane' = l.id::text
   where $2 and t.kind = 'moved' and t.drill is not distinct from m.drill and t.at >= m.since
     and t.at <= m.until
), told as (
  select touched.incident_id, {PERSON} as person, d.status, d.attempts, d.next_attempt_at,
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
, soon as (
  select count(distinct {PERSON}) as people_soon, min(d.due_at) as soon_at
    from member m join delivery d on d.credential_id = m.credential_id
   where d.drill is not distinct from m.drill and d.status = 'pending'
     and d.due_at > app.now() and d.due_at <= app.now() + interval '24 hours'
     and {PERSON} not in (select person from told)
)
select sums.*, {NUMBERS}, soon.people_soon, soon.soon_at
  from (
select incident_id, count(*) as messages,
       count(*) filter (where through) as through,
       count(*) filter (where status in ('pending', 'due', 'sending') and not rests) as waiting,
       count(*) filter (where rests) as resting,
       count(*) filter (where status = 'unknown') as unknown,
       count(*) filter (where status = 'held') as held,
       count(*) filter (where status in ('refused', 'failed', 'bounced', 'expired')) as ended,
       count(*) filter (where ended and not otherwise and not coming) as lost,
       count(*) filter (where moot) as cancelled,
       min(starts_at) filter (where not through and not otherwise and not moot)
         as next_appointment_at,
       min(next_attempt_at) filter (where status in ('pending', 'due', 'unknown')
         and attempts > 0) as next_attempt_at
  from told group by grouping sets ((), (incident_id))) sums
  left join people on people.incident_id is not distinct from sums.incident_id
 cross join soon
"""
# Whoever said that they want no more ($2, the reasons) since it began.
_LEFT = """
select count(distinct (s.practice_id, s.recipient_key)) as people
  from incident i join suppression s on s.practice_id = i.practice_id
   and s.integration = i.integration
 where i.id = any ($1) and s.reason = any ($2) and s.drill is not distinct from i.drill
   and s.created_at between i.since and coalesce(i.resolved_at, 'infinity')
"""
# Untouched by it, so far: they would not leave now if all were well.
_RESTING = f"""
select count(*) as messages, count(distinct {PERSON}) as people
  from delivery d
 where credential_id = any ($1) and drill is not distinct from $2 and d.attempts = 0 and {RESTS}
"""
# Which texts a carrier held back, by template, language and what in them looks like spam.
_WORDING = """
select t.data ->> 'kind' as kind, t.data ->> 'language' as language, t.data -> 'signs' as signs,
       count(distinct d.id) as number
  from incident i join delivery d on d.credential_id = i.credential_id and d.ended_at >= i.since
   and d.ended_at <= coalesce(i.resolved_at, 'infinity') and d.drill is not distinct from i.drill
  join timeline t on t.delivery_id = d.id and t.kind = 'wording_named'
 where i.id = any ($1) group by 1, 2, 3 order by number desc, 1, 2 limit 6
"""
_TRIES = """
select count(*) filter (where a.state = 'succeeded') as good,
       count(*) filter (where a.state in ('failed', 'unknown')) as bad
  from incident i join attempt a on a.credential_id = i.credential_id
 where i.id = any ($1) and a.finished_at >= i.since
   and a.finished_at <= coalesce(i.resolved_at, 'infinity')
"""
# Once it is over, since $2.
_AFTER = """
select count(*) filter (where a.state = 'succeeded') as good,
       count(*) filter (where a.state in ('failed', 'unknown')) as bad
  from attempt a where a.credential_id = any ($1) and a.finished_at >= $2
"""
# Since it began ($3), and not before; of its own fault ($4) where any is. What a question about an
# unknown outcome was answered says less than what the sending met.
_LATEST = f"""
select evidence_kind, http, code, request_id, case_id, finished_at,
       (select min(good.finished_at) from attempt good
         where good.credential_id = any ($1) and good.state = 'succeeded'
           and good.finished_at > bad.finished_at) as good_after_at,
       (select t.data ->> 'said' from attempt_delivery ad
          join timeline t on t.delivery_id = ad.delivery_id
         where ad.attempt_id = bad.id and t.attempt_id = bad.id and t.kind = 'classified'
         limit 1) as said
  from (select * from attempt a where a.credential_id = any ($1)
           and a.state in ('failed', 'unknown') and not coalesce({LATER}, false)
           and a.finished_at <= coalesce($2::timestamptz, 'infinity')
           and a.finished_at >= $3::timestamptz
         order by a.fault is not distinct from $4 desc, a.finished_at desc limit 1) bad
"""
# The same provider through another credential, while ours failed: answers there speak for ours,
# failures for theirs, and where nobody asked it nothing does. Whatever it answers after $4 only
# says that it is well again.
_ELSEWHERE = """
select count(*) as others, coalesce(bool_or(exists(
         select from attempt a where a.credential_id = c.id and a.state = 'succeeded'
            and a.started_at >= $3 and a.finished_at <= coalesce($4::timestamptz, 'infinity')
       )), false) as answered,
       coalesce(bool_or(exists(
         select from attempt a where a.credential_id = c.id and a.state in ('failed', 'unknown')
            and a.started_at >= $3 and a.finished_at <= coalesce($4::timestamptz, 'infinity')
       )), false) as asked
  from credential c
 where c.provider = (select provider from credential where id = $1) and c.id <> all ($2)
   and c.active and c.drill is null
"""
# $1 is the incident the story is of. What the system did to the lanes of several practices, and
# what became of each, are one line with their number. Of a rule that does not count what befalls
# lanes ($6), a pause or a breaker has another incident where one stood over that credential.
_STORY = """
with member as materialized (
  select id, credential_id, practice_id from incident where id = any ($2)
), theirs as (
  select t.at, t.kind, t.data, t.actor, t.practice_id from member m
    join timeline t on t.incident_id = m.id
   where m.id <> $1
     and t.kind in ('joined', 'incident_recovered', 'incident_regressed', 'acted')
), lanes as (
  select t.at, t.kind, t.data, t.actor, t.practice_id from member m
    join lane l on l.credential_id = m.credential_id
    join timeline t on t.lane_id = l.id and t.practice_id = m.practice_id
   where t.kind in ('lane_paused', 'lane_slowed', 'lane_resumed', 'breaker_opened',
                    'breaker_closed')
     and t.at >= $3::timestamptz - interval '1 minute'
     and t.at <= coalesce($4::timestamptz, 'infinity') and t.drill is not distinct from $5
     and ($6 or not exists (
       select from incident o where o.credential_id = m.credential_id and o.id <> m.id
          and t.at between o.since - interval '1 minute' and coalesce(o.resolved_at, 'infinity')))
  union all
  select t.at, t.kind, t.data, t.actor, t.practice_id from timeline t
    join lane l on l.id = t.lane_id join member m on m.credential_id = l.credential_id
   where t.kind = 'acted' and t.data ->> 'act' = 'secret'
     and t.at >= $3::timestamptz - interval '1 minute'
     and t.at <= coalesce($4::timestamptz, 'infinity') and t.drill is not distinct from $5
)
select at, kind, data, actor from timeline where incident_id = $1
union all
select at, kind, data, actor from lanes where cardinality($2::uuid[]) = 1
union all
select min(at), kind,
       coalesce(data, '{}') || jsonb_build_object('practices', count(distinct practice_id)), actor
  from lanes where cardinality($2::uuid[]) > 1 group by kind, data, actor
union all
select min(at), kind, coalesce(said, '{}') || jsonb_build_object('more', count(*)), actor
  from (select *, case when kind = 'acted' then data end as said from theirs) each_one
 group by kind, said, actor
union all
select min(t.at), t.kind, jsonb_build_object('from', t.data ->> 'from', 'to', t.data ->> 'to',
         'because', t.data ->> 'because', 'count', count(*)), t.actor
  from timeline t
 where $6 and t.kind = 'moved' and t.data ->> 'from_lane' in
         (select l.id::text from lane l join member m using (credential_id))
   and t.at >= $3::timestamptz - interval '1 minute'
   and t.at <= coalesce($4::timestamptz, 'infinity')
   and t.drill is not distinct from $5
 group by t.kind, t.data ->> 'from', t.data ->> 'to', t.data ->> 'because', t.actor
 order by at limit 300
"""


async def read_impact(
    connection: Connection, incident_ids: Sequence[UUID], about: About = FAILURES
) -> dict[UUID | None, Any]:
    """What each of them did, and under None all of them together."""
    rows = await connection.fetch(
        _IMPACT,
        list(incident_ids),
        about.lanes,
        about.returns,
        list(about.cases) or None,
        list(about.not_cases),
        about.by_fault,
    )
    return {row["incident_id"]: row for row in rows}


async def read_facts(
    connection: Connection, incident: Any, members: Sequence[Any] = (), about: About = FAILURES
) -> dict[str, Any]:
    """Everything that is counted live; the incident's own `facts` are from when it was judged.

    With `members`, the incidents of its group, the sums of all of them; `by_incident` holds what
    each adds.
    """
    if incident["integration"] == HOUSE:
        story = await connection.fetch(
            _STORY, incident["id"], [incident["id"]], incident["since"], None, None, True
        )
        return {**await read_house_facts(connection, incident), "story": story}
    ids: list[UUID] = [member["id"] for member in members] or [incident["id"]]
    known = [member["credential_id"] for member in members] or [incident["credential_id"]]
    until, drill = incident["resolved_at"], incident["drill"]
    # A share looks far back: what befell the lanes then, and was over, is no part of it.
    since = incident["since"] if about.lanes else incident["opened_at"]
    # What was inferred against its tries is all of one side.
    has_sides = about.lanes and not incident["facts"].get("met")
    latest = await connection.fetchrow(_LATEST, known, until, since, tried_as(incident))
    # Until ours is answered again, every answer elsewhere is news.
    answered = latest is not None and latest["good_after_at"] is not None
    compared_until = latest["finished_at"] if answered else None
    counted = await read_impact(connection, ids, about)
    over = incident["over_since"]
    return {
        "impact": counted.pop(None),
        "after": await connection.fetchrow(_AFTER, known, over) if over is not None else None,
        "by_incident": counted,
        "wording": await connection.fetch(_WORDING, ids) if about.returns else [],
        "apart": await read_apart(connection, ids, incident["fault"]) if has_sides else None,
        "left": await connection.fetchval(_LEFT, ids, list(about.leavers)),
        "resting": await connection.fetchrow(_RESTING, known, drill),
        "tries": await connection.fetchrow(_TRIES, ids),
        "latest": latest,
        "elsewhere": await connection.fetchrow(
            _ELSEWHERE, incident["credential_id"], known, since, compared_until
        ),
        "lanes": await connection.fetch(PAUSED, known),
        "story": await connection.fetch(
            _STORY, incident["id"], ids, since, until, drill, about.lanes
        ),
    }
