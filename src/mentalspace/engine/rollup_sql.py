"""The statements of the fold: which buckets to count, and how one is counted from the ledger.

What engine/rates.py counts over a span, these count over a bucket; tests hold them together.
"""

from __future__ import annotations

from mentalspace.engine.rates_sql import HOURS_KEPT_S, SETTLED
from mentalspace.engine.spread import slot_sql

# What has grown old enough within the stretches from $1 to $2, credential by credential by index.
_GROWN = f"""
select c.id as credential_id, x.at
  from unnest($1::timestamptz[], $2::timestamptz[]) as stretch (after, until)
 cross join credential c cross join lateral (
    select {SETTLED} as at from delivery d
     where d.credential_id = c.id and d.drill is null
       and {SETTLED} > stretch.after and {SETTLED} <= stretch.until
    union all
    select a.finished_at from attempt a
     where a.credential_id = c.id and a.drill is null
       and a.finished_at > stretch.after and a.finished_at <= stretch.until
    offset 0) x
 where c.drill is null
union all
select c.id, s.created_at
  from unnest($1::timestamptz[], $2::timestamptz[]) as stretch (after, until)
 cross join practice p
  join suppression s on s.practice_id = p.id and s.drill is null
   and s.created_at > stretch.after and s.created_at <= stretch.until
 cross join lateral (
    select id from credential where practice_id = p.id and integration = s.integration
       and drill is null order by created_at, id limit 1) c
"""
# The lines of the timeline from $3 to $4, and once more from $5 to $6, that may tell of what was
# counted already, until $7. What a line tells of happened when it was written; only a provider
# speaks of what was before.
_LINES = """
select t.delivery_id, t.attempt_id from timeline t
 where (t.id > $3 and t.id <= $4 or t.id > $5 and t.id <= $6) and t.drill is null
   and (t.kind = 'provider_event' or t.at <= $7)
"""
_LATE = f"""
select d.credential_id, {SETTLED} as at from lines join delivery d on d.id = lines.delivery_id
 where d.drill is null and {SETTLED} <= $7
union all
select a.credential_id, a.finished_at from lines join attempt a on a.id = lines.attempt_id
 where a.drill is null and a.finished_at <= $7
"""
# Buckets to be counted: hours and days of a credential, five minutes of a provider.
MARK = f"""
with lines as materialized ({_LINES}), touched as ({_GROWN} union all {_LATE})
select grouping(b.five) = 0 as of_platform, b.credential_id, b.integration, b.provider,
       b.hour, b.day, b.five
  from (select c.id as credential_id, c.integration, c.provider,
               date_trunc('hour', touched.at, 'UTC') as hour,
               (touched.at at time zone p.timezone)::date as day,
               date_bin('5 min', touched.at, 'epoch') as five
          from touched join credential c on c.id = touched.credential_id
          join practice p on p.id = c.practice_id where c.drill is null) b
 group by grouping sets
   ((b.credential_id, b.hour), (b.credential_id, b.day), (b.integration, b.provider, b.five))
"""
REACH = f"""
with lines as materialized ({_LINES}), delivered as (
  select d.credential_id, d.practice_id, d.recipient_key, d.accepted_at
    from unnest($1::timestamptz[], $2::timestamptz[]) as stretch (after, until)
   cross join credential c cross join lateral (
      select d.credential_id, d.practice_id, d.recipient_key, d.accepted_at from delivery d
       where d.credential_id = c.id and d.drill is null and d.status = 'delivered'
         and {SETTLED} > stretch.after and {SETTLED} <= stretch.until
      offset 0) d
   where c.drill is null
  union all
  select d.credential_id, d.practice_id, d.recipient_key, d.accepted_at
    from lines join delivery d on d.id = lines.delivery_id
    join credential c on c.id = d.credential_id and c.drill is null
   where d.drill is null and d.status = 'delivered' and {SETTLED} <= $7
)
insert into reached (practice_id, credential_id, recipient_key, last_at)
select practice_id, credential_id, recipient_key, max(accepted_at) from delivered
 where accepted_at > app.now() - {HOURS_KEPT_S} * interval '1 s' group by 1, 2, 3
on conflict (credential_id, recipient_key) do update set last_at = excluded.last_at
  where excluded.last_at > reached.last_at
"""

_KEPT_COLUMNS = """accepted units delivered silent recipient ours theirs first_failed_at
send_n send_sum_s send_spread way_n way_sum_s way_spread requests requests_theirs opt_outs codes
events""".split()

# `spans` says which stretches of which credentials are read, neighbours in one go, and %(bucket)s
# in which bucket `b` each thing `x` is. $3 is how far is old enough, $4 the recipients' own cases,
# $5 the providers', $6 the reasons of opting out, $7 and $8 metrics with their events, $9 the edges
# of a spread.
_COUNT = f"""
read as materialized (
  select s.*, x.*
    from spans s cross join lateral (
      select d.id, {SETTLED} as at, d.status, d.ended_at, d.last_case, d.weight,
             d.accepted_at is not null or d.status in ('delivered', 'bounced') as taken,
             d.status in ('bounced', 'refused', 'failed', 'expired') as ended,
             d.status = 'bounced' or coalesce(d.last_case = any ($4), false) as recipients,
             coalesce(d.last_case = any ($5), d.accepted_at is not null) as theirs,
             case when d.accepted_at is not null then
               greatest(extract(epoch from d.accepted_at - d.due_at), 0)::float8 end as send_s,
             case when d.status = 'delivered' and d.accepted_at is not null then
               greatest(extract(epoch from d.ended_at - d.accepted_at), 0)::float8 end as way_s
        from delivery d
       where d.credential_id = s.credential_id and d.drill is null and d.status <> 'cancelled'
         and {SETTLED} >= s.since and {SETTLED} < s.until and {SETTLED} <= $3
      offset 0) x
), message as materialized (
  select b.n, x.* from read x join buckets b on %(bucket)s
), sums as (
  select n, count(*) filter (where taken) as accepted,
         coalesce(sum(weight) filter (where taken), 0) as units,
         count(*) filter (where status = 'delivered') as delivered,
         count(*) filter (where status = 'accepted') as silent,
         count(*) filter (where ended and recipients) as recipient,
         count(*) filter (where ended and not recipients and not theirs) as ours,
         count(*) filter (where ended and not recipients and theirs) as theirs,
         min(ended_at) filter (where ended and not recipients) as first_failed_at,
         count(send_s) as send_n, coalesce(sum(send_s::numeric), 0)::float8 as send_sum_s,
         count(way_s) as way_n, coalesce(sum(way_s::numeric), 0)::float8 as way_sum_s
    from message group by n
), send_spread as (
  select n, jsonb_object_agg(slot, hits) as spread
    from (select n, {slot_sql("send_s", "$9")}::text as slot, count(*) as hits
            from message where send_s is not null group by 1, 2) x group by n
), way_spread as (
  select n, jsonb_object_agg(slot, hits) as spread
    from (select n, {slot_sql("way_s", "$9")}::text as slot, count(*) as hits
            from message where way_s is not null group by 1, 2) x group by n
), asked as (
  select b.n, count(*) as requests, count(*) filter (where x.fault = 'theirs') as theirs
    from (select s.*, x.* from spans s cross join lateral (
      select a.fault, a.finished_at as at from attempt a
       where a.credential_id = s.credential_id and a.drill is null and a.state <> 'open'
         and a.finished_at >= s.since and a.finished_at < s.until and a.finished_at <= $3
      offset 0) x offset 0) x
    join buckets b on %(bucket)s
   group by b.n
), oldest as (
  select distinct on (practice_id, integration) practice_id, integration, id
    from credential where drill is null order by practice_id, integration, created_at, id
), left_us as (
  select b.n, count(distinct (x.practice_id, x.recipient_key)) as opt_outs
    from (select s.*, x.* from spans s join oldest o on o.id = s.credential_id cross join lateral (
      select g.practice_id, g.recipient_key, g.created_at as at from suppression g
       where g.practice_id = o.practice_id and g.integration = o.integration and g.drill is null
         and g.reason = any ($6)
         and g.created_at >= s.since and g.created_at < s.until and g.created_at <= $3
      offset 0) x offset 0) x
    join buckets b on %(bucket)s
   group by b.n
), coded as (
  select n, jsonb_object_agg(code, hits) as codes
    from (select m.n, coalesce(told.code, tried.code, m.last_case) as code, count(*) as hits
            from message m
            left join lateral (
              select t.data ->> 'code' as code from timeline t
               where t.delivery_id = m.id and t.kind = 'provider_event' and t.data ? 'case'
               order by t.id desc limit 1) told on true
            left join lateral (
              select a.code from attempt_delivery ad join attempt a on a.id = ad.attempt_id
               where ad.delivery_id = m.id and a.code is not null
               order by a.finished_at desc limit 1) tried on true
           where m.ended group by 1, 2) x
   where code is not null group by n
), told as (
  select n, jsonb_object_agg(metric_id, hits) as events
    from (select m.n, counting.metric_id, count(distinct m.id) as hits
            from unnest($7::text[], $8::text[]) as counting (metric_id, event)
            join timeline t on t.kind = 'provider_event' and t.data ->> 'event' = counting.event
             and t.at >= (select min(since) from spans)
            join message m on m.id = t.delivery_id
           group by 1, 2) x
   group by n
), counted as (
  select b.n, coalesce(sums.accepted, 0) as accepted, coalesce(sums.units, 0) as units,
         coalesce(sums.delivered, 0) as delivered, coalesce(sums.silent, 0) as silent,
         coalesce(sums.recipient, 0) as recipient, coalesce(sums.ours, 0) as ours,
         coalesce(sums.theirs, 0) as theirs, sums.first_failed_at,
         coalesce(sums.send_n, 0) as send_n, coalesce(sums.send_sum_s, 0) as send_sum_s,
         coalesce(send_spread.spread, '{{}}') as send_spread,
         coalesce(sums.way_n, 0) as way_n, coalesce(sums.way_sum_s, 0) as way_sum_s,
         coalesce(way_spread.spread, '{{}}') as way_spread,
         coalesce(asked.requests, 0) as requests, coalesce(asked.theirs, 0) as requests_theirs,
         coalesce(left_us.opt_outs, 0) as opt_outs, coalesce(coded.codes, '{{}}') as codes,
         coalesce(told.events, '{{}}') as events
    from buckets b left join sums using (n) left join send_spread using (n)
    left join way_spread using (n) left join asked using (n) left join left_us using (n)
    left join coded using (n) left join told using (n)
)
"""
_INTO = ", ".join(_KEPT_COLUMNS)
_FROM = ", ".join(f"counted.{name}" for name in _KEPT_COLUMNS)
_ANEW = ", ".join(f"{name} = excluded.{name}" for name in _KEPT_COLUMNS)

# $1 credentials, $2 their hours; $10 to $12 whose stretches hold them, since and until when.
_BY_HOUR = "b.credential_id = x.credential_id and b.at = date_trunc('hour', x.at, 'UTC')"
COUNT_HOURS = f"""
with buckets as (
  select row_number() over () as n, given.*
    from unnest($1::uuid[], $2::timestamptz[]) as given (credential_id, at)
), spans as (
  select * from unnest($10::uuid[], $11::timestamptz[], $12::timestamptz[])
             as given (credential_id, since, until)
), {_COUNT % {"bucket": _BY_HOUR}}
insert into rollup_hour (practice_id, credential_id, integration, provider, at, {_INTO})
select c.practice_id, c.id, c.integration, c.provider, b.at, {_FROM}
  from buckets b join counted using (n) join credential c on c.id = b.credential_id
on conflict (credential_id, at) do update set {_ANEW}
"""
# $1 credentials, $2 days as their practice has them.
COUNT_DAYS = f"""
with buckets as (
  select row_number() over () as n, given.*
    from unnest($1::uuid[], $2::date[]) as given (credential_id, day)
), spans as (
  select b.n as of_bucket, b.credential_id, b.day::timestamp at time zone p.timezone as since,
         (b.day + 1)::timestamp at time zone p.timezone as until
    from buckets b join credential c on c.id = b.credential_id
    join practice p on p.id = c.practice_id
), {_COUNT % {"bucket": "b.n = x.of_bucket"}}
insert into rollup_day (practice_id, credential_id, integration, provider, day, {_INTO})
select c.practice_id, c.id, c.integration, c.provider, b.day, {_FROM}
  from buckets b join counted using (n) join credential c on c.id = b.credential_id
on conflict (credential_id, day) do update set {_ANEW}
"""
# $1 `integration/provider`, $2 when the five minutes begin; $10 to $12 the stretches around them.
# A drill's practice is in none.
_BY_FIVE = """
b.integration = x.integration and b.provider = x.provider
 and b.at = date_bin('5 min', x.at, 'epoch')
"""
COUNT_FIVE_MINUTES = f"""
with buckets as (
  select row_number() over () as n, split_part(given.who, '/', 1) as integration,
         split_part(given.who, '/', 2) as provider, given.at
    from unnest($1::text[], $2::timestamptz[]) as given (who, at)
), spans as (
  select c.id as credential_id, c.integration, c.provider, given.since, given.until
    from unnest($10::text[], $11::timestamptz[], $12::timestamptz[]) as given (who, since, until)
    join credential c on c.integration || '/' || c.provider = given.who
    join practice p on p.id = c.practice_id
   where c.drill is null and not p.is_drill
), {_COUNT % {"bucket": _BY_FIVE}}
insert into rollup_platform (integration, provider, at, {_INTO})
select b.integration, b.provider, b.at, {_FROM}
  from buckets b join counted using (n)
on conflict (integration, provider, at) do update set {_ANEW}
"""
# What nobody reads any more, with how long it is kept.
FORGET = (
    "delete from rollup_platform where at < app.now() - $1 * interval '1 s'",
    "delete from rollup_hour where at < app.now() - $1 * interval '1 s'",
    "delete from reached where last_at < app.now() - $1 * interval '1 s'",
)
FORGET_DAYS = "delete from rollup_day where day < (app.now() - $1 * interval '1 s')::date"
