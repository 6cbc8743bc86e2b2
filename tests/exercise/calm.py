"""When all is quiet, when an incident has opened, whom a fault has touched; and tidying up."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mentalspace.engine import incidents
from mentalspace.engine.replay import replay
from tests.exercise.stage import Stage
from tests.torture.installation import AWAY

LOOK_EVERY_S = 3.0
# Quiet for so long without a break, or it was a pause for breath.
QUIET_FOR_S = 15.0
# After so long whoever knows that the cause is gone closes what still fires.
CLOSES_AFTER_S = 180.0
WHO = "exercise"

# What stands in the way of calm, one line each, as a person would say it.
_LEFT = """
select 'incident: ' || title || case when recovered_at is null then '' else ' (over)' end as what
  from incident where status <> 'resolved' and drill is null
union all
select 'breaker ' || s.breaker || ': ' || c.integration || '/' || c.endpoint
  from credential_state s join credential c on c.id = s.credential_id
 where s.breaker <> 'closed' and c.active and c.drill is null
union all
select 'lane paused: ' || c.integration || '/' || c.endpoint || ' ' || l.class
  from lane l join credential c on c.id = l.credential_id
 where l.state <> 'open' and c.active and c.drill is null
union all
select count(*) || ' waiting at ' || integration from delivery
 where drill is null and due_at < app.now() - interval '45 s'
   -- what may be out is asked for again after minutes, and nobody waits for that
   and (status in ('pending', 'due', 'sending')
        or status = 'unknown' and next_attempt_at < app.now() - interval '45 s')
   and app.is_open(hours, app.now()) group by integration
union all
select count(*) || ' held at ' || integration from delivery
 where drill is null and status = 'held' group by integration
"""
# Every first choice of every practice has brought something.
_FLOWS = """
select bool_and(exists (select from delivery d where d.credential_id = c.id
                         and d.status in ('accepted', 'delivered')))
  from credential c where c.active and c.drill is null and c.rank = 1
"""
_OPENED = """
select min(opened_at) from incident
 where drill is null and status <> 'resolved' and recovered_at is null and opened_at >= $1
"""
# Since the fault was laid: what went wrong, was slow, waits, was never heard of or not let in.
_TOUCHED = """
select (select count(*) from attempt where drill is null and started_at >= $1
           and (state not in ('open', 'succeeded') or duration_ms > 4000))
     + (select count(*) from delivery where drill is null
           and status in ('pending', 'due', 'sending', 'unknown', 'held')
           and due_at between $1 and app.now() - interval '45 s'
           and app.is_open(hours, app.now()))
     + (select count(*) from delivery where drill is null and ended_at >= $1
           and status in ('refused', 'failed', 'bounced', 'expired')
           and coalesce(last_case <> all ($2), true))
     + (select count(*) from delivery d join credential c on c.id = d.credential_id
         where d.drill is null and d.integration in ('email', 'sms') and c.provider <> 'smtp'
           and d.status = 'accepted'
           and d.accepted_at between $1 and app.now() - interval '60 s')
     + (select count(*) from hook_refusal where last_at >= $1)
     + (select count(*) from process_end where ended_at >= $1) as touched
"""
# A rule waits ten minutes before it calls its incident over. Whoever is on call reads that it no
# longer holds, and closes it; a group once that is so of all of it.
_OVER = """
with still as (
  select i.id, coalesce(i.lead_id, i.id) as leader from incident i
   where i.status <> 'resolved' and i.drill is null and i.recovered_at is null
     and not exists (select from alert_state a where a.key = i.key and a.state = 'recovering'
                      and a.since < app.now() - interval '45 s'))
select i.id from incident i
 where i.status <> 'resolved' and i.drill is null and i.lead_id is null
   and i.id not in (select leader from still)
"""
# What nobody can say of whether it is out, or of no use: a colleague has looked.
_LOOKED_AT = "update delivery set status = 'cancelled' where status = 'held' and drill is null"


# A share over the last hour fires on long after its cause is gone. Closed, it is news again only
# once something new has failed.
_LASTS = """
select id, title from incident
 where status <> 'resolved' and drill is null and recovered_at is null and lead_id is null
   and credential_id is not null
"""


@dataclass(frozen=True, slots=True)
class Calm:
    """Whether it came, after how long; else what stood in its way. `closed` are the incidents that
    a person had to close while their rules still held."""

    came: bool
    after_s: float
    left: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()


async def flowing(stage: Stage, within_s: float) -> bool:
    """Until every practice has had something of every room."""
    ends = time.monotonic() + within_s
    while not await _value(stage, _FLOWS):
        if time.monotonic() > ends:
            return False
        await asyncio.sleep(LOOK_EVERY_S)
    return True


async def wait_calm(stage: Stage, within_s: float) -> Calm:
    """Meanwhile it does what whoever is on call would: what is over is closed, and what may safely
    go again goes."""
    began, quiet_since = time.monotonic(), None
    left: tuple[str, ...] = ()
    closed: list[str] = []
    while True:
        passed_s = time.monotonic() - began
        try:
            await tidy(stage)
            if passed_s > CLOSES_AFTER_S and not closed:
                closed += await _close_what_lasts(stage)
            left = tuple(row["what"] for row in await stage.owner(_LEFT))
        except AWAY as error:
            left = (f"the database: {type(error).__name__}",)
        now = time.monotonic()
        quiet_since = None if left else quiet_since or now
        if quiet_since is not None and now - quiet_since >= QUIET_FOR_S:
            return Calm(True, quiet_since - began, closed=tuple(closed))
        if passed_s > within_s:
            return Calm(False, passed_s, left, tuple(closed))
        await asyncio.sleep(LOOK_EVERY_S)


async def _close_what_lasts(stage: Stage) -> list[str]:
    rows = await stage.owner(_LASTS)
    for row in rows:
        async with stage.services.database.as_oncall() as connection:
            await incidents.resolve(connection, row["id"], WHO)
    return [row["title"] for row in rows]


async def tidy(stage: Stage) -> None:
    database = stage.services.database
    for row in await stage.owner(_OVER):
        async with database.as_oncall() as connection:
            await incidents.resolve(connection, row["id"], WHO)
    if await _value(stage, "select count(*) from delivery where status = 'held' and drill is null"):
        async with database.as_oncall() as connection:
            await replay(connection, WHO, None, None)
        await stage.owner(_LOOKED_AT)


async def opened(stage: Stage, since: datetime) -> datetime | None:
    """When the first incident opened that was none before, if one did; None too while the
    database is away."""
    found: datetime | None = await _value(stage, _OPENED, since)
    return found


async def touched(stage: Stage, since: datetime) -> int | None:
    """How many deeds of ours the fault has spoiled until now; None if nobody can say. What is the
    recipients' own, as a landline, is every day's."""
    everyday = [case for room in stage.services.runbooks.rooms for case in room.recipient_cases]
    found: int | None = await _value(stage, _TOUCHED, since, everyday)
    return found


async def titles(stage: Stage, since: datetime) -> list[str]:
    """What has opened since, in the console's own words."""
    sql = "select title from incident where drill is null and opened_at >= $1 order by opened_at"
    try:
        return [row["title"] for row in await stage.owner(sql, since)]
    except AWAY:
        return []


async def _value(stage: Stage, sql: str, *values: Any) -> Any:
    try:
        async with asyncio.timeout(10):
            rows = await stage.owner(sql, *values)
    except AWAY:
        return None
    return rows[0][0] if rows else None
