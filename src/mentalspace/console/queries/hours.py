"""The last day as it stood: breakers and lanes by what the timeline tells, queues by the ledger.

Nothing is kept for it: a wait lies between when a message was due and when it was taken or ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mentalspace.console.charts.queue import Waited
from mentalspace.console.charts.strip import Stretch, fold
from mentalspace.engine.backoff import CAP_S
from mentalspace.engine.db import Connection
from mentalspace.engine.queued import RESTS

HOURS = 24
QUARTER = timedelta(minutes=15)

_CREDENTIALS = """
select c.id, c.integration, c.provider, c.endpoint, p.name as practice_name,
       case when s.breaker <> 'closed' then coalesce(s.opened_at, app.now()) end as opened_at,
       case when s.override_until > app.now() then s.override_state end as override_state,
       s.override_until
  from credential c join practice p on p.id = c.practice_id
  left join credential_state s on s.credential_id = c.id
 where c.active and c.drill is null and not p.is_drill
 order by c.integration, p.is_default desc, p.name, c.endpoint
"""
_BREAKERS = """
select a.credential_id, t.at, t.kind = 'breaker_opened' as is_on
  from timeline t join attempt a on a.id = t.attempt_id
 where t.kind in ('breaker_opened', 'breaker_closed') and t.at > $2
   and a.credential_id = any ($1) order by t.id
"""
# While a breaker is open nothing leaves but its one probe.
_PROBES = """
select a.credential_id, a.started_at, a.finished_at
  from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) as stood (id, since, until)
  join attempt a on a.credential_id = stood.id and a.drill is null
   and a.finished_at > stood.since and a.finished_at <= stood.until and a.started_at > stood.since
 order by a.started_at
"""
_LANES = """
select l.id, l.credential_id, case when l.state = 'paused' then l.paused_at end as paused_at
  from lane l
 where l.credential_id = any ($1)
"""
_PAUSES = """
select t.lane_id, t.at, t.kind = 'lane_paused' as is_on from timeline t
 where t.kind in ('lane_paused', 'lane_resumed') and t.at > $2 and t.lane_id = any ($1)
 order by t.id
"""
_INCIDENTS = """
select i.id, i.title, i.facts, i.integration, i.severity, i.status, i.opened_at, i.acknowledged_at,
       i.resolved_at, p.name as practice_name, c.provider
  from incident i left join practice p on p.id = i.practice_id
  left join credential c on c.id = i.credential_id
 where i.drill is null and (i.resolved_at is null or i.resolved_at > $1)
   and not exists (select from incident l where l.id = i.lead_id)
 order by i.opened_at desc limit 60
"""
# What a person held, or what waited for an hour at which it may leave, is no queue. What is tried
# again has its next try within the longest backoff: the many that are due later are not read.
_WAITED = f"""
with waited as (
  select d.id, d.integration, d.due_at, coalesce(d.accepted_at, d.ended_at) as until
    from delivery d
   where d.credential_id = any ($1) and d.drill is null
     and coalesce(d.accepted_at, d.ended_at) > $2
     and coalesce(d.accepted_at, d.ended_at) - d.due_at > interval '1 minute'
  union all
  select d.id, d.integration, d.due_at, null from (
    select id, integration, due_at, credential_id, drill, status, hours from delivery
     where status in ('pending', 'due', 'unknown')
       and next_attempt_at <= app.now() + $3 * interval '1 s' offset 0) d
   where d.credential_id = any ($1) and d.drill is null
     and d.due_at <= app.now() - interval '1 minute' and not {RESTS}
  union all
  select d.id, d.integration, d.due_at, null from delivery d
   where d.credential_id = any ($1) and d.drill is null
     and d.status = 'sending' and d.due_at <= app.now() - interval '1 minute'
), queued as (
  select w.* from waited w where (
    select t.id from timeline t
     where t.delivery_id = w.id and t.kind in ('held', 'held_for_hours') limit 1) is null
)
select q.integration, m.at,
       max(least(coalesce(q.until, app.now()), m.at + interval '15 min') - q.due_at) as oldest,
       count(*) as number, max(app.now() - q.due_at) filter (where q.until is null) as standing,
       count(*) filter (where q.until is null) as still
  from generate_series($2::timestamptz, app.now(), interval '15 min') as m (at)
  join queued q on q.due_at < m.at + interval '15 min' and (q.until is null or q.until > m.at)
 group by 1, 2 order by 1, 2
"""


async def window(connection: Connection) -> tuple[datetime, datetime]:
    """The quarter of an hour at which the last day begins, and now."""
    row = await connection.fetchrow(
        "select date_bin('15 min', app.now(), 'epoch') - $1 * interval '1 hour'"
        " + interval '15 min' as since, app.now() as now",
        HOURS,
    )
    assert row is not None
    return row["since"], row["now"]


async def read_credentials(connection: Connection) -> list[Any]:
    """Those in use that the reader may see."""
    return list(await connection.fetch(_CREDENTIALS))


async def read_stretches(
    connection: Connection, credentials: Sequence[Any], since: datetime, now: datetime
) -> Mapping[UUID, list[Stretch]]:
    """By credential: when its breaker was open or tried one, and when the runbook paused it."""
    ids = [row["id"] for row in credentials]
    switched = _by(await connection.fetch(_BREAKERS, ids, since), "credential_id")
    found: dict[UUID, list[Stretch]] = {
        row["id"]: fold(switched[row["id"]], "open", since, row["opened_at"]) for row in credentials
    }
    stood = [(id_, each) for id_, stretches in found.items() for each in stretches]
    asked = (
        [id_ for id_, _ in stood],
        [s.since for _, s in stood],
        [s.until or now for _, s in stood],
    )
    for row in await connection.fetch(_PROBES, *asked):
        probe = Stretch("half_open", row["started_at"], row["finished_at"])
        found[row["credential_id"]].append(probe)
    lanes = await connection.fetch(_LANES, ids)
    switched = _by(await connection.fetch(_PAUSES, [row["id"] for row in lanes], since), "lane_id")
    for lane in lanes:
        paused = fold(switched[lane["id"]], "paused", since, lane["paused_at"])
        known = found[lane["credential_id"]]
        known += [each for each in paused if each not in known]
    return found


async def read_incidents(connection: Connection, since: datetime) -> list[Any]:
    """Those that stood within the last day, the latest first; one for a group."""
    return list(await connection.fetch(_INCIDENTS, since))


async def read_queues(
    connection: Connection, credentials: Sequence[Any], since: datetime, now: datetime
) -> Mapping[str, list[Waited]]:
    """By integration: every quarter of an hour, those in which nothing waited too. Runs as
    on-call, for the credentials that the visitor may see."""
    rows = await connection.fetch(_WAITED, [row["id"] for row in credentials], since, CAP_S)
    known = {(row["integration"], row["at"]): row for row in rows}
    quarters = [since + QUARTER * step for step in range((now - since) // QUARTER + 1)]
    return {
        integration: [_waited(at, known.get((integration, at))) for at in quarters]
        for integration in dict.fromkeys(row["integration"] for row in credentials)
    }


def _waited(at: datetime, row: Any | None) -> Waited:
    if row is None:
        return Waited(at, timedelta(), 0)
    return Waited(at, row["oldest"], row["number"], row["standing"] or timedelta(), row["still"])


def _by(rows: Sequence[Any], name: str) -> defaultdict[UUID, list[tuple[datetime, bool]]]:
    found: defaultdict[UUID, list[tuple[datetime, bool]]] = defaultdict(list)
    for row in rows:
        found[row[name]].append((row["at"], row["is_on"]))
    return found
