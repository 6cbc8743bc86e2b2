"""Incidents: what happened, to how many people, and what was done about it already."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.console.queries.fleet import PAUSED
from mentalspace.engine.db import Connection
from mentalspace.engine.rate_alerts import rate_text


@dataclass(frozen=True, slots=True)
class Group:
    """One cause at several practices. `members` have id, status, recovered_at, practice_name and
    people; the lead is the first."""

    members: list[Any]
    people: int
    practices: int
    recovered: int
    next_appointment_at: datetime | None


_LIST = """
select i.id, i.title, i.severity, i.fault, i.status, i.integration, i.opened_at, i.since,
       i.recovered_at, i.resolved_at, i.ack_due_at, i.acknowledged_at, i.acknowledged_by,
       i.resolved_by, i.next_escalation_at, i.resolve_due_at, i.drill, i.facts, i.case_id,
       i.archived_at, p.name as practice_name
  from incident i left join practice p on p.id = i.practice_id
"""
# Who is led by an incident that the reader sees stands on that one's page.
NOT_LED = "not exists (select from incident l where l.id = i.lead_id)"
_OPEN = (
    _LIST
    + f"""
 where i.status <> 'resolved' and i.drill is null and i.archived_at is null and {NOT_LED}
 order by i.status = 'acknowledged',
   array_position(array['critical', 'high', 'medium', 'low'], i.severity), i.opened_at
"""
)
_ARCHIVED = (
    _LIST
    + f"""
 where i.status <> 'resolved' and i.archived_at is not null and {NOT_LED} order by i.archived_at
"""
)
_RECENT = (
    _LIST
    + f"""
 where (i.status = 'resolved' or i.drill is not null) and {NOT_LED}
 order by i.opened_at desc limit 50
"""
)
# Everybody of a group, the lead first; people as the rule counted them last.
_GROUP = """
select i.id, i.status, i.recovered_at, p.name as practice_name,
       coalesce((i.facts ->> 'failed_recipients')::bigint, 0) as people
  from incident i left join practice p on p.id = i.practice_id
 where i.id = $1 or i.lead_id = $1 order by i.lead_id nulls first, people desc, p.name
"""
_GROUP_NEXT = """
select min(a.starts_at) from incident i
  join delivery d on d.credential_id = i.credential_id and d.drill is null
   and d.status in ('pending', 'due', 'sending', 'unknown', 'held') and d.due_at <= app.now()
  join appointment a on d.subject_type = 'appointment' and a.id = d.subject_id
   and a.status = 'scheduled' and a.starts_at > app.now()
 where i.id = $1 or i.lead_id = $1
"""
_ONE = """
select i.*, p.name as practice_name, p.timezone as practice_timezone, c.provider, c.endpoint,
       c.live, s.breaker, s.open_until, s.last_good_at
  from incident i left join practice p on p.id = i.practice_id
  left join credential c on c.id = i.credential_id
  left join credential_state s on s.credential_id = i.credential_id
 where i.id = $1
"""
# Everybody whose message failed by our or the provider's fault since it began, and whoever
# waited in line behind them until $5, the first good answer after the last failure: what then
# got through, what still waits, and what ran out of time. Without a good answer yet, whoever
# waits now. Who went over to the next provider is one of them. People are counted by the keyed
# hash of their address. An incident of a rate ($6) is about whom a message came back from, too.
_IMPACT = """
with line as (
  select coalesce($5::timestamptz, $3, app.now()) as until
), touched as (
  select ad.delivery_id as id from attempt a join attempt_delivery ad on ad.attempt_id = a.id
   where a.credential_id = $1 and a.state in ('failed', 'unknown')
     and a.fault is distinct from 'recipient' and a.drill is not distinct from $4
     and a.finished_at >= $2 and a.finished_at <= coalesce($3::timestamptz, 'infinity')
  union
  select ad.delivery_id from attempt a join attempt_delivery ad on ad.attempt_id = a.id
    join delivery d on d.id = ad.delivery_id, line
   where a.credential_id = $1 and a.state = 'succeeded' and a.drill is not distinct from $4
     and a.finished_at between $5::timestamptz and $5 + interval '6 hours'
     and d.due_at <= line.until
  union
  select d.id from delivery d, line
   where d.credential_id = $1 and d.drill is not distinct from $4 and d.due_at <= line.until
     and (d.status in ('pending', 'due', 'sending', 'unknown', 'held')
       or d.status = 'expired' and d.ended_at between $2 and line.until)
  union
  select d.id from delivery d
   where $6 and d.credential_id = $1 and d.drill is not distinct from $4 and d.status = 'bounced'
     and d.ended_at >= $2 and d.ended_at <= coalesce($3::timestamptz, 'infinity')
  union
  select t.delivery_id from timeline t
   where t.kind = 'moved' and t.drill is not distinct from $4 and t.at >= $2
     and t.at <= coalesce($3::timestamptz, 'infinity')
     and t.data ->> 'from_lane' in (select id::text from lane where credential_id = $1)
), told as (
  select d.recipient_key, d.status, d.attempts, d.next_attempt_at,
         d.status in ('accepted', 'delivered') as through,
         case when a.status = 'scheduled' and a.starts_at > app.now() then a.starts_at end
           as starts_at
    from touched join delivery d on d.id = touched.id
    left join appointment a on d.subject_type = 'appointment' and a.id = d.subject_id
)
select count(distinct recipient_key) as people, count(*) as messages,
       count(distinct recipient_key) filter (where not through) as people_left,
       count(*) filter (where through) as through,
       count(*) filter (where status in ('pending', 'due', 'sending')) as waiting,
       count(*) filter (where status = 'unknown') as unknown,
       count(*) filter (where status = 'held') as held,
       count(*) filter (where status in ('refused', 'failed', 'bounced', 'expired')) as ended,
       min(starts_at) filter (where not through) as next_appointment_at,
       min(next_attempt_at) filter (where status in ('pending', 'due', 'unknown')
         and attempts > 0) as next_attempt_at
  from told
"""
_COMING = """
select count(distinct recipient_key) as people, min(due_at) as first_at
  from delivery
 where credential_id = $1 and drill is not distinct from $2 and status = 'pending'
   and due_at > app.now() and due_at <= app.now() + interval '24 hours'
"""
_TRIES = """
select count(*) filter (where state = 'succeeded') as good,
       count(*) filter (where state in ('failed', 'unknown')) as bad
  from attempt where credential_id = $1 and finished_at >= $2
   and finished_at <= coalesce($3::timestamptz, 'infinity')
"""
_LATEST = """
select evidence_kind, http, code, request_id, case_id, finished_at,
       (select min(good.finished_at) from attempt good
         where good.credential_id = $1 and good.state = 'succeeded'
           and good.finished_at > bad.finished_at) as good_after_at
  from attempt bad where credential_id = $1 and state in ('failed', 'unknown')
   and finished_at <= coalesce($2::timestamptz, 'infinity')
 order by finished_at desc limit 1
"""
# The same provider through another credential, while ours failed: answers there speak for ours,
# silence for theirs. Whatever it answers after $3 only says that it is well again.
_ELSEWHERE = """
select count(*) as others, coalesce(bool_or(exists(
         select from attempt a where a.credential_id = c.id and a.state = 'succeeded'
            and a.started_at >= $2 and a.finished_at <= coalesce($3::timestamptz, 'infinity')
       )), false) as answered
  from credential c
 where c.provider = (select provider from credential where id = $1) and c.id <> $1
   and c.active and c.drill is null
"""
_STORY = """
select at, kind, data, actor from timeline where incident_id = $1
union all
select t.at, t.kind, t.data, t.actor from timeline t
 where t.practice_id = $2 and t.lane_id in (select id from lane where credential_id = $3)
   and t.kind in ('lane_paused', 'lane_slowed', 'lane_resumed', 'breaker_opened', 'breaker_closed')
   and t.at >= $4::timestamptz - interval '1 minute'
   and t.at <= coalesce($5::timestamptz, 'infinity')
   and t.drill is not distinct from $6
union all
select min(t.at), t.kind, jsonb_build_object('from', t.data ->> 'from', 'to', t.data ->> 'to',
         'because', t.data ->> 'because', 'count', count(*)), t.actor
  from timeline t
 where t.kind = 'moved' and t.data ->> 'from_lane' in
         (select id::text from lane where credential_id = $3)
   and t.at >= $4::timestamptz - interval '1 minute'
   and t.at <= coalesce($5::timestamptz, 'infinity')
   and t.drill is not distinct from $6
 group by t.kind, t.data ->> 'from', t.data ->> 'to', t.data ->> 'because', t.actor
 order by at limit 300
"""
_PAGES = """
select target, meant, step, state, tries, error, created_at, sent_at
  from page where incident_id = $1 order by created_at, target
"""


async def open_incidents(connection: Connection) -> list[Any]:
    """Real ones nobody has closed, most urgent first."""
    return list(await connection.fetch(_OPEN))


async def archived_incidents(connection: Connection) -> list[Any]:
    """Known, and out of sight until they get worse."""
    return list(await connection.fetch(_ARCHIVED))


async def read_group(connection: Connection, incident_id: UUID) -> Group | None:
    """Whom else the cause of this incident strikes; None if nobody, or if it is led by another."""
    members = await connection.fetch(_GROUP, incident_id)
    if len(members) < 2:
        return None
    return Group(
        members=list(members),
        people=sum(member["people"] for member in members),
        practices=len({member["practice_name"] for member in members}),
        recovered=sum(member["recovered_at"] is not None for member in members),
        next_appointment_at=await connection.fetchval(_GROUP_NEXT, incident_id),
    )


async def recent_incidents(connection: Connection) -> list[Any]:
    """Resolved ones and every drill's, newest first."""
    return list(await connection.fetch(_RECENT))


async def find_incident(connection: Connection, incident_id: UUID) -> Any | None:
    return await connection.fetchrow(_ONE, incident_id)


async def read_facts(connection: Connection, incident: Any) -> dict[str, Any]:
    """Everything that is counted live; the incident's own `facts` are from when it was judged."""
    credential_id, until = incident["credential_id"], incident["resolved_at"]
    since, drill = incident["since"], incident["drill"]
    is_rate = rate_text(incident["facts"]) is not None
    latest = await connection.fetchrow(_LATEST, credential_id, until)
    failed_at = latest["finished_at"] if latest else None
    good_after_at = latest["good_after_at"] if latest else None
    # Until ours is answered again, every answer elsewhere is news.
    compared_until = failed_at if good_after_at else None
    return {
        "impact": await connection.fetchrow(
            _IMPACT, credential_id, since, until, drill, good_after_at, is_rate
        ),
        "coming": await connection.fetchrow(_COMING, credential_id, drill),
        "tries": await connection.fetchrow(_TRIES, credential_id, since, until),
        "latest": latest,
        "elsewhere": await connection.fetchrow(_ELSEWHERE, credential_id, since, compared_until),
        "lanes": await connection.fetch(PAUSED, [credential_id]),
        "story": await connection.fetch(
            _STORY, incident["id"], incident["practice_id"], credential_id, since, until, drill
        ),
    }


async def read_pages(connection: Connection, incident_id: UUID) -> list[Any]:
    """Who was paged when. Runs as on-call."""
    return list(await connection.fetch(_PAGES, incident_id))
