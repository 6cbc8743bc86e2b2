"""What stands at this moment: queues, breakers, lanes, rules, pages and processes."""

from __future__ import annotations

from mentalspace.engine.db import Connection
from mentalspace.engine.metrics.families import Sample
from mentalspace.engine.process import DEAD_AFTER_S

# Each gives name, practice_id, labels, value; drills are left out.
_WHERE = "jsonb_build_object('integration', c.integration, 'provider', c.provider"
_OPEN = f"""
select 'deliveries_open' as name, c.practice_id, {_WHERE}, 'status', d.status) as labels,
       count(*)::float8 as value
  from delivery d join credential c on c.id = d.credential_id
 where d.status in ('pending', 'due', 'sending', 'unknown', 'held') and d.drill is null
 group by 2, 3
"""
# A lane that stands still and a breaker that is open are told of by themselves.
_QUEUE = f"""
with waiting as (
  select c.practice_id, {_WHERE}, 'class', l.class) as labels,
         {_WHERE}, 'case', coalesce(l.paused_case, 'none')) as by_case,
         l.state = 'paused' as paused, l.state = 'open' and s.breaker = 'closed' as free,
         greatest(extract(epoch from app.now() - d.next_attempt_at), 0)::float8 as age_s
    from delivery d join lane l on l.id = d.lane_id join credential c on c.id = d.credential_id
    join credential_state s on s.credential_id = c.id
   where d.status in ('pending', 'due', 'unknown') and d.next_attempt_at <= app.now()
     and d.drill is null
)
select 'queue_depth' as name, practice_id, labels, count(*)::float8 as value
  from waiting where free group by 2, 3
 union all select 'queue_oldest_seconds', practice_id, labels, max(age_s)
             from waiting where free group by 2, 3
 union all select 'paused_deliveries', practice_id, by_case, count(*)
             from waiting where paused group by 2, 3
"""
_CREDENTIALS = f"""
select 'breakers' as name, c.practice_id,
       {_WHERE}, 'state', case when s.override_until > app.now() then s.override_state
                               else s.breaker end) as labels, 1::float8 as value
  from credential c join credential_state s on s.credential_id = c.id
 where c.active and c.drill is null
 union all
select 'breaker_open_seconds', c.practice_id, {_WHERE}),
       greatest(extract(epoch from app.now() - s.opened_at), 0)
  from credential c join credential_state s on s.credential_id = c.id
 where c.active and c.drill is null and s.breaker <> 'closed' and s.opened_at is not null
   and coalesce(s.override_until <= app.now(), true)
 union all
select 'last_success_timestamp_seconds', c.practice_id, {_WHERE}),
       extract(epoch from s.last_good_at)
  from credential c join credential_state s on s.credential_id = c.id
 where c.active and c.drill is null and s.last_good_at is not null
 union all
select 'lanes_paused', c.practice_id, {_WHERE}, 'case', coalesce(l.paused_case, 'none')), 1
  from lane l join credential c on c.id = l.credential_id
 where l.state = 'paused' and c.active and c.drill is null
 union all
select 'webhooks_unapplied', c.practice_id, {_WHERE}, 'state', i.state), count(*)
  from inbox i join credential c on c.id = i.credential_id
 where i.state <> 'processed' and i.drill is null group by 2, 3
"""
# As the evaluator sees it: since the last success, by people and by messages; whoever is due
# behind an open breaker fails as well.
_STREAKS = f"""
with since as (
  select c.id, c.practice_id, c.integration, c.provider, s.breaker,
         coalesce((select max(a.finished_at) from attempt a
                    where a.credential_id = c.id and a.state = 'succeeded'), '-infinity') as good_at
    from credential c join credential_state s on s.credential_id = c.id
   where c.active and c.drill is null
), failed as (
  select c.id, c.practice_id, c.integration, c.provider, c.breaker, a.case_id, d.id as delivery_id,
         d.recipient_key
    from since c join attempt a on a.credential_id = c.id and a.drill is null
     and a.finished_at > c.good_at and a.fault in ('ours', 'theirs')
    join attempt_delivery ad on ad.attempt_id = a.id join delivery d on d.id = ad.delivery_id
), people as (
  select id, practice_id, integration, provider, recipient_key from failed
  union
  select f.id, f.practice_id, f.integration, f.provider, d.recipient_key
    from (select distinct id, practice_id, integration, provider from failed
           where breaker <> 'closed') f
    join delivery d on d.credential_id = f.id and d.status in ('pending', 'due', 'unknown')
     and d.due_at <= app.now() and d.drill is null
)
select 'failing_streak' as name, c.practice_id, {_WHERE}) as labels, count(*)::float8 as value
  from people c group by c.id, 2, 3
 union all
select 'failing_deliveries', c.practice_id, {_WHERE}, 'case', coalesce(c.case_id, 'none')),
       count(distinct c.delivery_id)
  from failed c group by c.id, 2, 3
"""
_RULES = """
with looked as (
  select l.rule_id, u.credential_id
    from alert_look l cross join unnest(l.whose, l.looked_at) as u (credential_id, at)
   where u.at > app.now() - interval '1 day'
), judged as (
  select a.rule_id, a.state, coalesce((a.detail ->> 'bad')::float8, 0) as bad,
         coalesce((a.detail ->> 'n')::float8, 0) as n
    from looked join alert_state a using (rule_id, credential_id)
    join credential c on c.id = a.credential_id
   where c.active and c.drill is null
)
select 'rule_states' as name, null::uuid as practice_id,
       jsonb_build_object('rule', rule_id, 'state', state) as labels, count(*)::float8 as value
  from judged group by 3
 union all
select 'rule_bad', null, jsonb_build_object('rule', rule_id), sum(bad) from judged group by 3
 union all
select 'rule_n', null, jsonb_build_object('rule', rule_id), sum(n) from judged group by 3
"""
_ROOMS = """
select 'room_gauge' as name, practice_id,
       jsonb_build_object('integration', integration, 'metric', metric, 'subject', subject)
         as labels, value
  from room_gauge where drill = '' and value is not null
   and measured_at > app.now() - interval '15 min'
"""
_INCIDENTS = """
select 'incidents_opened' as name, null::uuid as practice_id,
       jsonb_build_object('integration', integration, 'severity', severity) as labels,
       count(*)::float8 as value
  from incident where drill is null group by 3
 union all
select 'incidents_open', null,
       jsonb_build_object('integration', integration, 'severity', severity, 'status', status),
       count(*)
  from incident where drill is null and status <> 'resolved' group by 3
 union all
select 'pages', null, jsonb_build_object('target', p.target, 'state', p.state), count(*)
  from page p join incident i on i.id = p.incident_id
 where i.drill is null and p.state <> 'pending' group by 3
 union all
select 'pages_waiting', null, jsonb_build_object('target', p.target), count(*)
  from page p join incident i on i.id = p.incident_id
 where i.drill is null and p.state = 'pending' group by 3
"""
_PROCESSES = """
with alive as (
  select kind, loops, extract(epoch from clock_timestamp() - beat_at)::float8 as age_s
    from heartbeat
), turning as (
  select l.key as loop, l.value from alive cross join jsonb_each(alive.loops) as l where age_s < $1
)
select 'processes' as name, null::uuid as practice_id, jsonb_build_object('kind', kind) as labels,
       count(*) filter (where age_s < $1)::float8 as value
  from alive group by kind
 union all
select 'heartbeat_age_seconds', null, jsonb_build_object('kind', kind), min(age_s)
  from alive group by kind
 union all
select 'loop_seconds', null, jsonb_build_object('loop', loop), max((value ->> 'took_s')::float8)
  from turning where value ? 'took_s' group by loop
 union all
select 'loop_age_seconds', null, jsonb_build_object('loop', loop),
       min(extract(epoch from clock_timestamp() - (value ->> 'well_at')::timestamptz)::float8)
  from turning where value ? 'well_at' group by loop
 union all
select 'loop_failures', null, jsonb_build_object('loop', loop), max((value ->> 'failures')::float8)
  from turning group by loop
"""


async def read_gauges(connection: Connection) -> list[Sample]:
    """As the dispatcher, who sees scheduling and counting columns only."""
    rows = [
        row
        for query in (_OPEN, _QUEUE, _CREDENTIALS, _STREAKS, _RULES, _ROOMS, _INCIDENTS)
        for row in await connection.fetch(query)
    ]
    rows += await connection.fetch(_PROCESSES, DEAD_AFTER_S)
    return [
        Sample(row["name"], row["labels"], float(row["value"]), row["practice_id"]) for row in rows
    ]
