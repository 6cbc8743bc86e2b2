"""A ledger of any size, made in the database itself: practices, messages, attempts, their lines."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

from benchmarks.stage import Stage
from mentalspace.engine.db import connect_owner

DAYS = 90
PRACTICES = 300
# A million at a time: a transaction that stays within what is kept of the log.
CHUNK = 1_000_000

# Room by room; the default practice has its credentials already.
_PRACTICES = """
insert into practice (slug, name, timezone)
select 'bench-' || n, 'Bench ' || n,
       (array['America/New_York', 'America/Chicago', 'America/Denver', 'America/Los_Angeles'])
         [1 + n % 4]
  from generate_series(1, $1) n
"""
_CREDENTIALS = """
insert into credential (practice_id, integration, provider, endpoint, base_url, live, secrets,
                        rate_per_s)
select p.id, k.integration, k.provider, p.slug, 'http://127.0.0.1:1', false, '', 1
  from practice p cross join (values ('email', 'resend'), ('sms', 'twilio'))
                             as k (integration, provider)
 where p.slug like 'bench-%'
"""
_STATES = """
insert into credential_state (credential_id, practice_id)
select c.id, c.practice_id from credential c where c.endpoint like 'bench-%'
on conflict do nothing
"""
_UNSEALED = "select id, practice_id from credential where endpoint like 'bench-%'"
_LANES = """
insert into lane (practice_id, credential_id, integration, provider, class)
select c.practice_id, c.id, c.integration, c.provider, 'bulk'
  from credential c where c.endpoint like 'bench-%'
"""
# In office hours, spread over the days; the newest are of this minute. Of a hundred, one is a
# recipient's fault, one ours or the provider's, one is never heard of again; the rest arrive.
_MADE = """
create unlogged table bench_made as
select gen_random_uuid() as id, gen_random_uuid() as attempt_id, w.*, n,
       app.now() - ($3 - n) * ($4 / $3::float8) * interval '1 s' as at,
       case when n % 100 = 7 then 'bounced' when n % 200 = 11 then 'failed'
            when n % 200 = 111 then 'refused' when n % 100 = 23 then 'accepted'
            else 'delivered' end as status,
       0.2 + 2 * random() ^ 3 * 4 as send_s, 1 + random() ^ 4 * 60 as way_s
  from generate_series($1::bigint, $2::bigint - 1) n
  join bench_whose w on w.place = n % (select count(*) from bench_whose)
"""
_WHOSE = """
create unlogged table bench_whose as
select l.practice_id, l.id as lane_id, l.credential_id, l.integration,
       row_number() over (order by hashtext(l.id::text)) - 1 as place
  from lane l join credential c on c.id = l.credential_id
 where l.class = 'bulk' and c.drill is null and c.provider in ('resend', 'twilio')
"""
_DELIVERIES = """
insert into delivery (id, practice_id, lane_id, credential_id, integration, kind, recipient_key,
  status, idempotency_key, due_at, next_attempt_at, attempts, first_attempt_at,
  provider_message_id, last_case, traceparent, created_at, accepted_at, ended_at, purged_at)
select id, practice_id, lane_id, credential_id, integration, 'reminder',
       'r' || n % 40 || ':' || credential_id, status, 'bench/' || n, at - send_s * interval '1 s',
       at, 1, at, 'm-' || n,
       case status when 'bounced' then integration || '.bounced'
                   when 'failed' then integration || '.server_error'
                   when 'refused' then integration || '.validation_error' end,
       '00-0-0-00', at - interval '1 day', case when status <> 'refused' then at end,
       case when status = 'refused' then at when status <> 'accepted'
            then at + way_s * interval '1 s' end, at
  from bench_made
"""
_ATTEMPTS = """
insert into attempt (id, practice_id, lane_id, credential_id, integration, state, idempotency_key,
  worker, deadline_s, started_at, finished_at, duration_ms, http, case_id, fault, traceparent)
select attempt_id, practice_id, lane_id, credential_id, integration,
       case when status = 'refused' then 'failed' else 'succeeded' end, 'bench/' || n, 'bench', 30,
       at - interval '300 ms', at, 300, case when status = 'refused' then 422 else 200 end,
       case when status = 'refused' then integration || '.validation_error' end,
       case when status = 'refused' then 'ours' end, '00-0-0-00'
  from bench_made
"""
_LINKS = """
insert into attempt_delivery (attempt_id, delivery_id, practice_id)
select attempt_id, id, practice_id from bench_made
"""
_LINES = """
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
_KEYS = """
select n.nspname || '.' || i.relname as name, pg_get_indexdef(x.indexrelid) as made
  from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class t on t.oid = x.indrelid
  join pg_namespace n on n.oid = i.relnamespace
 where t.relname in ('delivery', 'attempt', 'attempt_delivery', 'timeline') and n.nspname = 'public'
   and not x.indisprimary and not exists (select from pg_constraint where conindid = i.oid)
"""


@dataclass(frozen=True, slots=True)
class Made:
    """How long it took, and one practice of the many."""

    seconds: float
    practice_id: UUID


async def make_ledger(stage: Stage, messages: int) -> Made:
    """So many messages over 90 days of 300 practices and the default one, with an attempt, its link
    and two lines of the timeline each. Indexes are put back afterwards: it takes minutes as it is.
    """
    began = time.monotonic()
    async with connect_owner(stage.services.admin_url) as owner:
        await owner.execute(_PRACTICES, PRACTICES)
        for statement in (_CREDENTIALS, _STATES, _LANES, _WHOSE):
            await owner.execute(statement)
        vault, rows = stage.services.vault, await owner.fetch(_UNSEALED)
        await owner.executemany(
            "update credential set secrets = $2 where id = $1",
            [(row["id"], vault.seal(row["practice_id"], "credential", b"{}")) for row in rows],
        )
        await owner.execute("set session_replication_role = replica")
        await owner.execute("set maintenance_work_mem = '1GB'")
        keys = await owner.fetch(_KEYS)
        for key in keys:
            await owner.execute(f"drop index {key['name']}")
        for first in range(0, messages, CHUNK):
            last = min(first + CHUNK, messages)
            made = _MADE
            for place, value in enumerate((first, last, messages, DAYS * 86_400), start=1):
                made = made.replace(f"${place}", str(value))
            await owner.execute(made)
            for statement in (_DELIVERIES, _ATTEMPTS, _LINKS, _LINES):
                await owner.execute(statement)
            await owner.execute("drop table bench_made")
        for key in keys:
            await owner.execute(key["made"])
        await owner.execute("drop table bench_whose")
        await owner.execute("vacuum analyze")
        practice_id = await owner.fetchval("select id from practice where slug = 'bench-1'")
    return Made(time.monotonic() - began, practice_id)
