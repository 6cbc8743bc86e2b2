"""The questions behind the rates: of the ledger by index, and of whole hours by their rollup.

A long span is asked in three parts that do not overlap: the hours that are counted already, what of
the ledger lies before the first of them, and what is younger than they are. The two answer alike.
"""

from __future__ import annotations

from mentalspace.engine.spread import slot_sql

# What a provider took may be spoken of this much later: until then it is too young to judge.
# A drill's traffic is judged at once: a drill cannot wait, and its rules are meant to fire.
GROWN_AFTER_S = 900.0
# Hours are counted ahead for so long; spans over half a day are put together of them.
HOURS_KEPT_S = 35 * 86_400.0
_LONG_S = 43_200.0

# A message belongs to when the provider took it, or to when it ended untaken.
SETTLED = "coalesce(d.accepted_at, d.ended_at)"

# What is counted together and since when: $1 credentials, $2 spans, $3 whether all credentials are
# one. The clock is asked once, and each key's rows are read by their own index. The ledger answers
# for what lies between `since` and `hours_from` and after `hours_to`; hours, if any, for the rest.
_KEYS = f"""
with clock as materialized (
  select app.now() as now, (select folded_until from rollup_state) as folded_until
), whose as materialized (
  select null::uuid as credential_id, $1::uuid[] as ids, null::text as drill,
         (select array_agg(id) from credential where id = any ($1) and follows) as told where $3
  union all
  select id, array[id], drill, array_remove(array[case when follows then id end], null)
    from credential where id = any ($1) and not $3
), span as materialized (
  select s.span_s, clock.now - s.span_s * interval '1 s' as since,
         date_trunc('hour', clock.now - s.span_s * interval '1 s', 'UTC') + interval '1 hour'
           as next_hour
    from clock cross join unnest($2::float8[]) as s (span_s)
), k as materialized (
  select w.credential_id, w.ids, w.drill, w.told, span.span_s, span.since, ahead.whole,
         case when ahead.whole then span.next_hour else 'infinity' end as hours_from,
         case when ahead.whole then clock.folded_until else 'infinity' end as hours_to,
         case when w.drill is null then clock.now - {GROWN_AFTER_S} * interval '1 s'
              else 'infinity' end as grown_until
    from clock cross join whose w cross join span cross join lateral (
      select w.drill is null and span.span_s between {_LONG_S} and {HOURS_KEPT_S}
         and coalesce(clock.folded_until >= span.next_hour, false) as whole) ahead
)
"""
_PARTS = "(values (k.since, k.hours_from), (k.hours_to, 'infinity')) as part (after, before)"
_MESSAGES = f"""{_PARTS} cross join lateral (
  select d.id, d.credential_id, d.recipient_key, d.status, d.due_at, d.accepted_at, d.ended_at,
         d.last_case, d.weight
    from delivery d
   where d.credential_id = any (k.ids) and d.drill is not distinct from k.drill
     and {SETTLED} > part.after and {SETTLED} < part.before and d.status <> 'cancelled'
  offset 0) d"""
SEND_S = "greatest(extract(epoch from d.accepted_at - d.due_at), 0)::float8"
WAY_S = "greatest(extract(epoch from d.ended_at - d.accepted_at), 0)::float8"
_HOURS = "r.credential_id = any (k.ids) and r.at >= k.hours_from and r.at <= k.hours_to"

# $4 the cases that are the recipients' own. Of a provider that never says what became of what it
# took, nothing is known to be sent or silent.
COUNTS = (
    _KEYS
    + f"""
select k.credential_id, k.span_s, n.*
  from k cross join lateral (
    select sum(accepted)::int8 as accepted, sum(units)::int8 as units, sum(sent)::int8 as sent,
           sum(young)::int8 as young, sum(delivered)::int8 as delivered,
           sum(silent)::int8 as silent, sum(recipient)::int8 as recipient,
           sum(failed)::int8 as failed, min(first_failed_at) as first_failed_at
      from (
        select count(*) filter (where taken) as accepted,
               coalesce(sum(weight) filter (where taken), 0) as units,
               count(*) filter (where taken and grown and told) as sent,
               count(*) filter (where taken and not grown and told) as young,
               count(*) filter (where grown and status = 'delivered') as delivered,
               count(*) filter (where grown and status = 'accepted' and told) as silent,
               count(*) filter (where grown and ended and recipients) as recipient,
               count(*) filter (where grown and ended and not recipients) as failed,
               min(ended_at) filter (where grown and ended and not recipients) as first_failed_at
          from (
            select d.status, d.ended_at, d.weight, d.credential_id = any (k.told) as told,
                   d.accepted_at is not null or d.status in ('delivered', 'bounced') as taken,
                   {SETTLED} <= k.grown_until as grown,
                   d.status in ('bounced', 'refused', 'failed', 'expired') as ended,
                   d.status = 'bounced' or coalesce(d.last_case = any ($4), false) as recipients
              from {_MESSAGES}) judged
        union all
        select sum(r.accepted), sum(r.units),
               sum(r.accepted) filter (where r.credential_id = any (k.told)), 0, sum(r.delivered),
               sum(r.silent) filter (where r.credential_id = any (k.told)), sum(r.recipient),
               sum(r.ours + r.theirs), min(r.first_failed_at)
          from rollup_hour r where k.whole and {_HOURS}) both_parts) n
"""
)
# How long messages took, $4 and $5 the targets of the two times, $6 when one is late. The ledger
# knows every one of them.
TIMES = (
    _KEYS
    + f"""
select k.credential_id, k.span_s, n.*
  from k cross join lateral (
    select count(send_s) as send_n, avg(send_s) as send_avg,
           percentile_cont(array[0.5, 0.95]) within group (order by send_s) as send_p,
           count(*) filter (where send_s <= $4) as send_prompt,
           count(way_s) as way_n, avg(way_s) as way_avg,
           percentile_cont(array[0.5, 0.95]) within group (order by way_s) as way_p,
           count(*) filter (where way_s <= $5) as way_prompt,
           count(*) filter (where way_s > $6) as late
      from (
        select case when d.accepted_at is not null then {SEND_S} end as send_s,
               case when d.status = 'delivered' and d.accepted_at <= k.grown_until then {WAY_S}
                end as way_s
          from {_MESSAGES}) times) n
 where not k.whole
"""
)
# The same of a long span, as sums and slots ($4 the edges).
SPREADS = (
    _KEYS
    + f"""
select k.credential_id, k.span_s, n.which, sum(n.total)::float8 as total,
       jsonb_object_agg(n.slot, n.hits) filter (where n.slot is not null) as spread
  from k cross join lateral (
    select which, slot, sum(hits)::int8 as hits, sum(total) as total
      from (
        select t.which, {slot_sql("t.seconds", "$4")}::text as slot, count(*) as hits,
               sum(t.seconds) as total
          from {_MESSAGES} cross join lateral (
            values ('send', case when d.accepted_at is not null then {SEND_S} end),
                   ('way', case when d.status = 'delivered' and d.accepted_at <= k.grown_until
                           then {WAY_S} end)) as t (which, seconds)
         where t.seconds is not null
         group by 1, 2
        union all
        select 'send', s.key, s.value::int8, 0
          from rollup_hour r cross join lateral jsonb_each_text(r.send_spread) s where {_HOURS}
        union all
        select 'way', s.key, s.value::int8, 0
          from rollup_hour r cross join lateral jsonb_each_text(r.way_spread) s where {_HOURS}
        union all
        select t.which, null, 0, t.total
          from rollup_hour r cross join lateral (
            values ('send', r.send_sum_s), ('way', r.way_sum_s)) as t (which, total)
         where {_HOURS}
      ) parts
     group by 1, 2) n
 where k.whole group by 1, 2, 3
"""
)
REQUESTS = (
    _KEYS
    + f"""
select k.credential_id, k.span_s, n.*
  from k cross join lateral (
    select sum(requests)::int8 as requests, sum(theirs)::int8 as theirs
      from (
        select count(*) as requests, count(*) filter (where a.fault = 'theirs') as theirs
          from {_PARTS} cross join lateral (
            select a.fault from attempt a
             where a.credential_id = any (k.ids) and a.drill is not distinct from k.drill
               and a.state <> 'open'
               and a.finished_at > part.after and a.finished_at < part.before
            offset 0) a
        union all
        select sum(r.requests), sum(r.requests_theirs)
          from rollup_hour r where k.whole and {_HOURS}) both_parts) n
"""
)
# From the few events of these names ($4) to their messages, not the other way round: one by one,
# for the planner cannot know that they are few.
_EVENTS = (
    _KEYS
    + f"""
select o.credential_id, o.span_s, count(distinct d.id) as hits, min(t.at) as first_at
  from (select t.delivery_id, t.at from timeline t
         where t.kind = 'provider_event' and t.data ->> 'event' = any ($4)
           and t.at > (select min(since) from span)
           and {{whose}} offset 0) t
 cross join lateral (
   select d.id, d.credential_id, d.drill, {SETTLED} as settled_at
     from delivery d where d.id = t.delivery_id offset 0) d
  join (select k.credential_id, k.span_s, k.drill, k.since, k.grown_until, unnest(k.ids) as id
          from k) o on o.id = d.credential_id
 where t.at > o.since and d.drill is not distinct from o.drill
   and d.settled_at > o.since and d.settled_at <= o.grown_until
 group by 1, 2
"""
)
# Of many credentials all events are read: their practices' timelines would be walked to the end
# of each, for the planner takes them for short.
EVENTS = _EVENTS.format(
    whose="t.practice_id = any (array (select practice_id from credential where id = any ($1)))"
)
EVENTS_OF_MANY = _EVENTS.format(whose="true")
MANY = 5
# People: who was reached, and who said in the span that they want no more ($4 their reasons).
OPT_OUTS = (
    _KEYS
    + f"""
select k.credential_id, k.span_s, reached.*, left_us.*
  from k cross join lateral (
    select count(*) as n from (
      select d.recipient_key from delivery d
       where d.credential_id = any (k.ids) and d.drill is not distinct from k.drill
         and d.status = 'delivered' and d.accepted_at is not null
         and {SETTLED} > case when k.whole then k.hours_to else k.since end
      union
      select r.recipient_key from reached r
       where k.whole and r.credential_id = any (k.ids) and r.last_at > k.since) people) reached
 cross join lateral (
    select count(distinct (s.practice_id, s.recipient_key)) as hits, min(s.created_at) as first_at
      from (select distinct practice_id, integration from credential where id = any (k.ids)) c
      join suppression s on s.practice_id = c.practice_id and s.integration = c.integration
     where s.reason = any ($4) and s.drill is not distinct from k.drill
       and s.created_at > k.since) left_us
"""
)
# By the provider's own code, said later or at once; by our case where there is none.
CODES = (
    _KEYS
    + f"""
select k.credential_id, k.span_s, n.*
  from k cross join lateral (
    select code, sum(hits)::int8 as hits from (
      select coalesce(told.code, tried.code, d.last_case) as code, count(*) as hits
        from {_MESSAGES}
        left join lateral (
          select t.data ->> 'code' as code from timeline t
           where t.delivery_id = d.id and t.kind = 'provider_event' and t.data ? 'case'
           order by t.id desc limit 1) told on true
        left join lateral (
          select a.code from attempt_delivery ad join attempt a on a.id = ad.attempt_id
           where ad.delivery_id = d.id and a.code is not null
           order by a.finished_at desc limit 1) tried on true
       where d.status in ('bounced', 'refused', 'failed', 'expired')
         and coalesce(d.accepted_at, d.ended_at) <= k.grown_until
       group by 1
      union all
      select c.key, c.value::int8
        from rollup_hour r cross join lateral jsonb_each_text(r.codes) c
       where k.whole and {_HOURS}) parts
     group by 1) n
 where n.code is not null order by n.hits desc, n.code
"""
)
