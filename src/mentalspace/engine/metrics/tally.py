"""Totals that only grow: those counted up to an instant, and what has come since.

Counting everything at each scrape would take ever longer. A worker therefore moves the instant on
from time to time; what is read is the same before and after.
"""

from __future__ import annotations

from mentalspace.engine.db import Connection, Database
from mentalspace.engine.metrics.families import Sample
from mentalspace.engine.metrics.known import Known

# What is counted for good must be on disk: nothing that ended so long ago is still being written.
SETTLED_AFTER_S = 120.0

# $1 the cases that are the recipients' own, $2 the events and $3 the reasons that metrics count,
# $4 to $6 the bounds of the histograms. Drills are not counted.
_SINCE = """
with span as materialized (
  select (select upto from app.tally_mark) as since, {until} as until
), c as materialized (
  select id, practice_id, integration, provider,
         jsonb_build_object('integration', integration, 'provider', provider) as labels
    from credential where drill is null
), tried as (
  select c.practice_id, c.labels, a.state, a.fault, a.case_id, a.duration_ms / 1000 as took_s
    from span cross join c cross join lateral (
      select state, fault, case_id, duration_ms from attempt
       where credential_id = c.id and drill is null and state <> 'open'
         and finished_at >= span.since and finished_at < span.until) a
), taken as (
  select c.practice_id, c.labels,
         greatest(extract(epoch from d.accepted_at - d.due_at), 0)::float8 as send_s
    from span cross join c cross join lateral (
      select accepted_at, due_at from delivery
       where credential_id = c.id and drill is null
         and coalesce(accepted_at, ended_at) >= span.since
         and coalesce(accepted_at, ended_at) < span.until
         and (accepted_at is not null or status in ('delivered', 'bounced'))) d
), ended as (
  select c.practice_id, c.labels, d.status,
         case when d.status in ('delivered', 'cancelled') then 'none'
              when d.status = 'bounced' or d.last_case = any ($1) then 'recipient'
              else 'other' end as fault,
         case when d.status = 'delivered' then
           greatest(extract(epoch from d.ended_at - d.accepted_at), 0)::float8 end as way_s
    from span cross join c cross join lateral (
      select status, last_case, ended_at, accepted_at from delivery
       where credential_id = c.id and drill is null
         and ended_at >= span.since and ended_at < span.until) d
), told as (
  select c.practice_id, c.labels, t.data ->> 'event' as event
    from span cross join unnest($2::text[]) as e (event)
    join timeline t on t.kind = 'provider_event' and t.data ->> 'event' = e.event
     and t.at >= span.since and t.at < span.until and t.drill is null
    join delivery d on d.id = t.delivery_id join c on c.id = d.credential_id
), wide as (
  select 'attempt_duration_seconds' as name, practice_id, labels, took_s as s,
         $4::float8[] as bounds
    from tried where took_s is not null
  union all
  select 'send_seconds', practice_id, labels, send_s, $5 from taken where send_s is not null
  union all
  select 'delivery_seconds', practice_id, labels, way_s, $6 from ended where way_s is not null
), counted as (
  select 'attempts' as name, practice_id,
         labels || jsonb_build_object('outcome', state, 'fault', coalesce(fault, 'none'),
                                      'case', coalesce(case_id, 'none')) as labels,
         count(*) as hits, 0::float8 as seconds
    from tried group by 2, 3
  union all
  select name, practice_id,
         labels || jsonb_build_object('le', coalesce(
           (select min(b) from unnest(bounds) as b where s <= b)::text, '+Inf')),
         count(*), sum(s)
    from wide group by 1, 2, 3
  union all
  select 'deliveries_accepted', practice_id, labels, count(*), 0 from taken group by 2, 3
  union all
  select 'deliveries_ended', practice_id,
         labels || jsonb_build_object('status', status, 'fault', fault), count(*), 0
    from ended group by 2, 3
  union all
  select 'provider_events', practice_id, labels || jsonb_build_object('event', event),
         count(*), 0
    from told group by 2, 3
  union all
  select 'suppressions', s.practice_id,
         jsonb_build_object('integration', s.integration, 'reason', s.reason), count(*), 0
    from span join suppression s on s.created_at >= span.since and s.created_at < span.until
   where s.reason = any ($3) and s.drill is null group by 2, 3
  union all
  select 'webhooks_received', c.practice_id, c.labels, count(*), 0
    from span join inbox i on i.received_at >= span.since and i.received_at < span.until
    join c on c.id = i.credential_id
   where i.drill is null group by 2, 3
)
"""
# One statement, one snapshot: a total is never seen on both sides of the instant, or on neither.
_READ = (
    _SINCE.format(until="'infinity'::timestamptz")
    + "select name, practice_id, labels, hits, seconds from counted"
    " union all select name, practice_id, labels, hits, seconds from tally"
)
_FOLD = (
    _SINCE.format(until="$7::timestamptz")
    + """
insert into tally (name, practice_id, labels, hits, seconds)
select name, practice_id, labels, hits, seconds from counted
on conflict (practice_id, name, labels)
do update set hits = tally.hits + excluded.hits, seconds = tally.seconds + excluded.seconds
"""
)
_NEXT_MARK = """
select app.now() - $1 * interval '1 s' from app.tally_mark
 where upto < app.now() - 2 * $1 * interval '1 s' for update
"""


async def read_tally(connection: Connection, known: Known) -> list[Sample]:
    """Every total, as the dispatcher."""
    rows = await connection.fetch(_READ, *_given(known))
    return [
        Sample(row["name"], row["labels"], row["hits"], row["practice_id"], row["seconds"])
        for row in rows
    ]


async def fold_tally(database: Database, known: Known) -> bool:
    """Move the instant on, if it is far enough behind; whether it was."""
    async with database.as_dispatcher() as connection:
        upto = await connection.fetchval(_NEXT_MARK, SETTLED_AFTER_S)
        if upto is None:
            return False
        await connection.execute(_FOLD, *_given(known), upto)
        await connection.execute("update app.tally_mark set upto = $1", upto)
    return True


def _given(known: Known) -> tuple[list[str] | list[float], ...]:
    return (
        list(known.recipient_cases),
        list(known.events),
        list(known.reasons),
        list(known.histograms["attempt_duration_seconds"]),
        list(known.histograms["send_seconds"]),
        list(known.histograms["delivery_seconds"]),
    )
