"""The statements of benchmarks/ledger.py."""

from __future__ import annotations

TABLES = ("delivery", "attempt", "attempt_delivery", "timeline")

# Room by room; the demo's practices have their credentials already.
PRACTICES = """
insert into practice (slug, name, timezone)
select 'bench-' || n, 'Bench ' || n,
       (array['America/New_York', 'America/Chicago', 'America/Denver', 'America/Los_Angeles'])
         [1 + n % 4]
  from generate_series(1, $1) n
"""
CREDENTIALS = """
insert into credential (practice_id, integration, provider, endpoint, base_url, live, secrets,
                        rate_per_s)
select p.id, k.integration, k.provider, p.slug, 'http://127.0.0.1:1', false, '', 1
  from practice p cross join (values ('email', 'resend'), ('sms', 'twilio'))
                             as k (integration, provider)
 where p.slug like 'bench-%'
"""
STATES = """
insert into credential_state (credential_id, practice_id, last_good_at)
select c.id, c.practice_id, app.now() from credential c where c.endpoint like 'bench-%'
on conflict do nothing
"""
UNSEALED = "select id, practice_id from credential where endpoint like 'bench-%'"
LANES = """
insert into lane (practice_id, credential_id, integration, provider, class)
select c.practice_id, c.id, c.integration, c.provider, 'bulk'
  from credential c where c.endpoint like 'bench-%'
"""
WHOSE = """
create unlogged table bench_whose as
select l.practice_id, l.id as lane_id, l.credential_id, l.integration, l.provider,
       row_number() over (order by hashtext(l.id::text)) - 1 as place
  from lane l join credential c on c.id = l.credential_id
 where l.class = 'bulk' and c.drill is null and c.provider in ('resend', 'twilio')
"""
# Evenly over the days; the newest are of this minute. Of a hundred, one is a recipient's fault, one
# ours or the provider's, one is never heard of again; the rest arrive.
MADE = """
create unlogged table bench_made as
with clock as materialized (select app.now() as now),
     many as materialized (select count(*) as whose from bench_whose)
select gen_random_uuid() as id, gen_random_uuid() as attempt_id, w.*, n,
       'r' || n / many.whose % 400 || ':' || w.credential_id as recipient_key, clock.now,
       clock.now - ($3 - n) * ($4 / $3::float8) * interval '1 s' as at,
       case when n % 100 = 7 then 'bounced' when n % 200 = 11 then 'failed'
            when n % 200 = 111 then 'refused' when n % 100 = 23 then 'accepted'
            else 'delivered' end as status,
       0.2 + 2 * random() ^ 3 * 4 as send_s, 1 + random() ^ 4 * 60 as way_s
  from clock cross join many cross join generate_series($1::bigint, $2::bigint - 1) n
  join bench_whose w on w.place = n % many.whose
"""
DELIVERIES = """
insert into delivery (id, practice_id, lane_id, credential_id, integration, kind, recipient_key,
  status, idempotency_key, due_at, next_attempt_at, attempts, first_attempt_at,
  provider_message_id, last_case, traceparent, created_at, accepted_at, ended_at, purged_at)
select id, practice_id, lane_id, credential_id, integration, 'reminder', recipient_key, status,
       'bench/' || n, at - send_s * interval '1 s', at, 1, at, 'm-' || n,
       case status when 'bounced' then integration || '.bounced'
                   when 'failed' then integration || '.server_error'
                   when 'refused' then integration || '.validation_error' end,
       '00-0-0-00', at - interval '1 day', case when status <> 'refused' then at end,
       case when status = 'refused' then at when status <> 'accepted'
            then at + way_s * interval '1 s' end,
       case when at < now - interval '30 days' then at end
  from bench_made
"""
ATTEMPTS = """
insert into attempt (id, practice_id, lane_id, credential_id, integration, state, idempotency_key,
  worker, deadline_s, started_at, finished_at, duration_ms, http, case_id, fault, traceparent)
select attempt_id, practice_id, lane_id, credential_id, integration,
       case when status = 'refused' then 'failed' else 'succeeded' end, 'bench/' || n, 'bench', 30,
       at - interval '300 ms', at, 300, case when status = 'refused' then 422 else 200 end,
       case when status = 'refused' then integration || '.validation_error' end,
       case when status = 'refused' then 'ours' end, '00-0-0-00'
  from bench_made
"""
LINKS = """
insert into attempt_delivery (attempt_id, delivery_id, practice_id)
select attempt_id, id, practice_id from bench_made
"""
LINES = """
insert into timeline (at, practice_id, delivery_id, attempt_id, kind, data, actor)
select at, practice_id, id, attempt_id, 'accepted', '{}', 'worker' from bench_made
 where status <> 'refused'
union all
select at + way_s * interval '1 s', practice_id, id, null, 'provider_event',
       jsonb_build_object('event', integration || '.' || status, 'code', null) ||
       case when status in ('bounced', 'failed')
            then jsonb_build_object('case', integration || '.' || status, 'code', '30005')
            else '{}' end, 'provider'
  from bench_made where status in ('delivered', 'bounced', 'failed')
"""
# The raw webhooks of the last hours.
CALLBACKS = """
insert into inbox (practice_id, credential_id, integration, provider, external_id, payload, state,
                   received_at, processed_at)
select practice_id, credential_id, integration, provider, 'bench/' || n, '', 'processed',
       at + way_s * interval '1 s', at + way_s * interval '1 s'
  from bench_made
 where at > now - interval '6 hours' and status in ('delivered', 'bounced', 'failed')
"""
# Reminders of appointments that are booked: none is due while anything is measured.
AHEAD = """
insert into delivery (practice_id, lane_id, credential_id, integration, kind, recipient_key,
  idempotency_key, due_at, next_attempt_at, expires_at, traceparent, created_at)
select w.practice_id, w.lane_id, w.credential_id, w.integration, 'reminder',
       'r' || n % 400 || ':' || w.credential_id, 'bench/ahead/' || n, b.due_at, b.due_at,
       b.due_at + interval '23 hours', '00-0-0-00', clock.now
  from (select app.now() as now offset 0) clock cross join generate_series(1, $1::bigint) n
 cross join lateral (
   select clock.now + interval '1 day' + n * ($2 / $1::float8) * interval '1 day' as due_at) b
  join bench_whose w on w.place = n % (select count(*) from bench_whose)
"""

# Rows are put in without their indexes, which are made anew at the end: sorted, not one by one.
LAY_INDEXES_ASIDE = """
update pg_index set indisready = false, indisvalid = false
 where indrelid in (select ('public.' || name)::regclass from unnest($1::text[]) as name)
"""
ASIDE = """
select i.indexrelid::regclass::text as name from pg_index i
 where i.indrelid in (select ('public.' || name)::regclass from unnest($1::text[]) as name)
   and not i.indisvalid
 order by i.indpred is not null, i.indnatts desc
"""
HURRY = """
set session_replication_role = replica;
set synchronous_commit = off;
set maintenance_work_mem = '1GB';
set max_parallel_maintenance_workers = 0;
set vacuum_buffer_usage_limit = 0;
"""
HURRY_ALL = (
    "alter system set full_page_writes = off",
    "alter system set max_wal_size = '3GB'",
    "alter system set checkpoint_timeout = '30min'",
    "select pg_reload_conf()",
    *(f"alter table {table} set (autovacuum_enabled = off)" for table in TABLES),
)
# The past is made behind the back of whoever counts it: it is counted from its beginning.
COUNTED_ANEW = (
    "truncate rollup_hour, rollup_day, rollup_platform, reached",
    "update rollup_state set folded_until = null, recounted_to = null",
)
AS_BEFORE = (
    *(f"alter table {table} reset (autovacuum_enabled)" for table in TABLES),
    "alter system reset all",
    "select pg_reload_conf()",
    "checkpoint",
)
