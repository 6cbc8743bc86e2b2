"""The statements of console/queries/fleet.py."""

from __future__ import annotations

from mentalspace.console.queries.recovering import OVER_SINCE, RECOVERING
from mentalspace.engine.queued import NEAR, RESTS, WAITS

CREDENTIALS = f"""
select c.id, c.practice_id, c.integration, c.provider, c.endpoint, c.live, c.test_only,
       c.needs_agreement and not app.agreement_holds(c.practice_id, c.provider)
         as agreement_missing, p.name as practice_name,
       s.breaker, s.opened_at, s.open_until, s.open_until <= clock_timestamp() as probe_is_due,
       s.probe_until > clock_timestamp() as is_probing, s.last_good_at, s.recent,
       case when s.override_until > app.now() then s.override_state end as override_state,
       s.override_reason, s.override_until,
       case when s.slow_until > clock_timestamp() then s.slow_until end as slow_until,
       c.fail_over_after_s, first.provider as first_provider, next.provider as next_provider,
       next.works as next_works,
       worst.title as incident_title, worst.severity as incident_severity,
       worst.recovered_at is not null as incident_recovered,
       worst.since as incident_since, worst.over_since as incident_over_since,
       worst.recovering_since as incident_recovering_since,
       moved.went_over, moved.went_over_at
  from credential c join practice p on p.id = c.practice_id
  left join credential_state s on s.credential_id = c.id
  left join lateral (
    select o.provider from credential o
     where o.practice_id = c.practice_id and o.integration = c.integration and o.active
       and o.drill is null and (o.rank, o.created_at, o.id) < (c.rank, c.created_at, c.id)
     order by o.rank, o.created_at, o.id limit 1) first on true
  left join lateral (
    select o.provider, coalesce(b.breaker, 'closed') <> 'open' and not exists (
             select from lane l where l.credential_id = o.id and l.state = 'paused') as works
      from credential o left join credential_state b on b.credential_id = o.id
     where o.practice_id = c.practice_id and o.integration = c.integration and o.active
       and o.drill is null and o.id <> c.id
     order by o.rank, o.created_at, o.id limit 1) next on true
 cross join lateral (
    select count(*) as went_over, max(t.at) as went_over_at from timeline t
     where t.kind = 'moved' and t.drill is null and t.at > app.now() - interval '1 hour'
       and t.data ->> 'from_lane' in (select id::text from lane where credential_id = c.id)) moved
  left join lateral (
    select i.title, i.severity, i.recovered_at, i.since, mending.recovering_since, {OVER_SINCE}
      from incident i {RECOVERING}
     where i.credential_id = c.id and i.status <> 'resolved' and i.drill is null
       and i.archived_at is null
     order by i.recovered_at is not null, mending.recovering_since is not null,
              array_position(array['critical', 'high', 'medium', 'low'], i.severity)
     limit 1) worst on true
 where c.active and c.drill is null and not p.is_drill
 order by c.integration, p.is_default desc, p.name, c.endpoint
"""
# Lanes of a credential that stand still for one reason are told together.
PAUSED = """
select credential_id, array_agg(class order by class desc) as classes, min(paused_at) as paused_at,
       paused_until, paused_case, paused_by
  from lane where state = 'paused' and credential_id = any ($1)
 group by credential_id, paused_until, paused_case, paused_by order by min(paused_at)
"""
BACKLOG = f"""
select credential_id,
       count(*) filter (where status = 'held') as held,
       count(*) filter (where status = 'unknown') as unknown,
       count(*) filter (where {WAITS}) as waiting,
       count(*) filter (where {RESTS}) as resting,
       min(due_at) filter (where {WAITS}) as oldest_at, app.now() - min(due_at)
         filter (where {WAITS}) > $2 as stuck
  from delivery d
 where credential_id = any ($1) and drill is null
   and {NEAR}
 group by credential_id
"""
LATER = """
select credential_id, count(*) as number from delivery
 where credential_id = any ($1) and drill is null and status in ('pending', 'due')
   and due_at > app.now()
 group by credential_id
"""
# What was tried in the last hour, or ended in it without a try, and was not taken; what was is
# engine/taken.py's.
NOT_TAKEN = """
with seen as (
  select ad.delivery_id as id from attempt a join attempt_delivery ad on ad.attempt_id = a.id
   where a.credential_id = any ($1) and a.drill is null
     and a.finished_at > app.now() - interval '1 hour'
  union
  select id from delivery
   where credential_id = any ($1) and drill is null and attempts <= 1
     and status in ('refused', 'failed') and ended_at > app.now() - interval '1 hour'
)
select d.credential_id, d.status, d.last_case = any ($2) as by_recipient, count(*) as number
  from seen join delivery d on d.id = seen.id
 where d.accepted_at is null and d.status not in ('delivered', 'bounced') group by 1, 2, 3
"""
TRIES = """
select credential_id,
       least($2 - 1, floor(extract(epoch from app.now() - finished_at) / 300))::int as age,
       count(*) filter (where state = 'succeeded') as good,
       count(*) filter (where state <> 'succeeded' and fault = 'recipient') as recipient,
       count(*) filter (where state <> 'succeeded' and fault is distinct from 'recipient') as bad
  from attempt
 where credential_id = any ($1) and drill is null and state <> 'open'
   and finished_at > app.now() - interval '1 hour'
 group by 1, 2
"""
