"""What an incident did, to how many people, and what was done about it already: of one practice,
or of all that one cause strikes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from mentalspace.console.queries.apart import read_apart
from mentalspace.console.queries.fleet_sql import PAUSED
from mentalspace.console.queries.house import read_house_facts
from mentalspace.console.words import tried_as
from mentalspace.engine.cause import LATER
from mentalspace.engine.db import Connection
from mentalspace.engine.house_alert import HOUSE
from mentalspace.engine.person import PERSON
from mentalspace.engine.queued import RESTS
from mentalspace.workflows.impact.about import FAILURES, About
from mentalspace.workflows.impact.counted import read_impact

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
