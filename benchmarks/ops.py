"""Metrics at scale: evaluation, pages and folding over a ledger of millions, and what sending pays.

The peer is the question put to the ledger itself, in the same run on the same rows.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg

from benchmarks.figure import Figure
from benchmarks.ledger import make_ledger
from benchmarks.stage import UNLIMITED_PER_S, Stage
from mentalspace.console.queries.figures import read_span
from mentalspace.engine.alerts import Evaluator
from mentalspace.engine.db import connect_owner
from mentalspace.engine.rollup import FOLD_LOCK, Folder
from mentalspace.engine.runbook import AlertKind, AlertState

TICK_AIM_S = 1.0
PAGE_AIM_S = 0.2
PAGE_DAYS = 30
TIMES = 5
MAILS = 2000

# As a first version would ask: whole windows of rows, grouped by credential.
_NAIVE_RATE = """
select d.credential_id, count(*), count(*) filter (where d.status = 'delivered'),
       count(*) filter (where d.status in ('bounced', 'refused', 'failed', 'expired'))
  from delivery d join credential c on c.id = d.credential_id
 where c.integration = $1 and d.drill is null
   and coalesce(d.accepted_at, d.ended_at) > app.now() - $2 * interval '1 s'
 group by 1
"""
_NAIVE_PAGE = """
select date_trunc('day', coalesce(d.accepted_at, d.ended_at)) as day, d.status, count(*),
       percentile_cont(array[0.5, 0.95]) within group
         (order by extract(epoch from d.accepted_at - d.due_at))
  from delivery d
 where d.practice_id = $1 and d.drill is null
   and coalesce(d.accepted_at, d.ended_at) > app.now() - $2 * interval '1 day'
 group by 1, 2
"""
_NAIVE_FOLD = """
select d.credential_id, date_trunc('hour', coalesce(d.accepted_at, d.ended_at)), d.status, count(*)
  from delivery d
 where d.drill is null and coalesce(d.accepted_at, d.ended_at) > app.now() - interval '1 day'
 group by 1, 2, 3
"""
_FORGET_LOOKS = "update alert_state set checked_at = checked_at - interval '1 day'"
_LATE = """
with told as (
  update delivery set status = 'delivered' where id in (
    select id from delivery where status = 'accepted' and accepted_at < app.now() - interval '1 h'
     order by accepted_at desc limit $1) returning id, practice_id
) insert into timeline (practice_id, delivery_id, kind, data, actor)
select practice_id, id, 'provider_event', '{"event": "email.delivered"}', 'provider' from told
"""


async def measure(stage: Stage, messages: int) -> list[Figure]:
    """`messages` is how many there are; the issue's ten million take a while to make."""
    made = await make_ledger(stage, messages)
    _say(f"{messages:,} messages made in {made.seconds:.0f} s")
    folder = Folder(stage.services.database, stage.services.runbooks)
    began = time.monotonic()
    while await _behind(stage):
        await folder.tick()
        await asyncio.sleep(0.2)
    _say(f"folded for the first time in {time.monotonic() - began:.0f} s")
    await stage.owner("analyze rollup_hour, rollup_day, rollup_platform, reached")
    return [
        await _evaluation(stage),
        await _page(stage, made.practice_id),
        *await _fold(stage, folder),
        *await _ingest(stage, folder),
    ]


def _say(text: str) -> None:
    print(f"ops: {text}", file=sys.stderr, flush=True)


async def _behind(stage: Stage) -> bool:
    behind: bool = await stage.owner(
        "select coalesce(folded_until < app.now() - interval '20 min', true) from rollup_state"
    )
    return behind


async def _median(work: Callable[[], Awaitable[object]], times: int = TIMES) -> float:
    took = []
    for _ in range(times):
        began = time.monotonic()
        await work()
        took.append(time.monotonic() - began)
    return statistics.median(took)


async def _evaluation(stage: Stage) -> Figure:
    """Every rule for every credential, as if each had its turn in the same second; the longest tick
    of as many as it takes."""
    evaluator = Evaluator(stage.services.database, stage.services.runbooks)
    ours = statistics.median([await _longest_tick(stage, evaluator) for _ in range(3)])
    return Figure(
        "an evaluation tick with all due, the longest", ours, "s", "whole windows from the ledger",
        await _median(lambda: _naive_rates(stage), 1), less_is_better=True,
        aim=f"under {TICK_AIM_S:g} s", met=ours < TICK_AIM_S,
    )  # fmt: skip


async def _longest_tick(stage: Stage, evaluator: Evaluator) -> float:
    """Until nothing is left to look at; the worker's own ticks take their part of it."""
    await evaluator.tick()
    await stage.owner(_FORGET_LOOKS)
    took, ends = [], time.monotonic() + 120
    while await _stale(stage) and time.monotonic() < ends:
        began = time.monotonic()
        await evaluator.tick()
        took.append(time.monotonic() - began)
    return max(took, default=0.0)


async def _stale(stage: Stage) -> int:
    stale: int = await stage.owner(
        "select count(*) from alert_state where checked_at < app.now() - interval '20 h'"
    )
    return stale


async def _naive_rates(stage: Stage) -> None:
    for room in stage.services.runbooks.rooms:
        for rule in room.overview.alerts:
            if rule.kind is AlertKind.RATE and rule.state is AlertState.LIVE:
                await _all(stage, _NAIVE_RATE, room.room, rule.window_s)


async def _page(stage: Stage, practice_id: UUID) -> Figure:
    """Everything a practice's page of thirty days is made of, both rooms."""
    ids = {
        room: await _all(
            stage, "select id from credential where practice_id = $1 and integration = $2",
            practice_id, room,
        )
        for room in ("email", "sms")
    }  # fmt: skip

    async def page() -> None:
        async with stage.services.database.as_oncall() as connection:
            for rows in ids.values():
                own = [row["id"] for row in rows]
                span = await read_span(connection, own, PAGE_DAYS, "America/Chicago")
                assert span.total.accepted > 0, "the page shows nothing"

    ours = await _median(page)
    return Figure(
        f"a practice's page of {PAGE_DAYS} days", ours, "s", "the same from the ledger",
        await _median(lambda: _all(stage, _NAIVE_PAGE, practice_id, PAGE_DAYS), 3),
        less_is_better=True, aim=f"under {PAGE_AIM_S:g} s", met=ours < PAGE_AIM_S,
    )  # fmt: skip


async def _fold(stage: Stage, folder: Folder) -> list[Figure]:
    """A fold of the last moments, and one after a thousand callbacks that came hours late."""
    await folder.tick()
    quiet = await _median(folder.tick)
    counted = []
    for _ in range(3):
        await stage.owner(_LATE, 1000)
        began = time.monotonic()
        await folder.tick()
        counted.append(time.monotonic() - began)
    beside = "the last day anew"
    naive = await _median(lambda: _all(stage, _NAIVE_FOLD), 1)
    return [
        Figure("a fold of what is new", quiet, "s", beside, naive, less_is_better=True),
        Figure(
            "a fold of 1,000 late callbacks", statistics.median(counted), "s", beside, naive,
            less_is_better=True,
        ),
    ]  # fmt: skip


async def _ingest(stage: Stage, folder: Folder) -> list[Figure]:
    """Mails a second through the worker: with nobody folding, and with somebody who never stops.
    Turn by turn, for what else runs on the machine changes."""
    await stage.limit(UNLIMITED_PER_S)
    await stage.account_change(webhook_url=None)
    await _sent_per_s(stage)  # warm
    without, folding = [], []
    for _ in range(3):
        async with connect_owner(stage.services.admin_url) as owner:
            await owner.execute("select pg_advisory_lock($1)", FOLD_LOCK)
            without.append(await _sent_per_s(stage))
        stop = asyncio.Event()
        busy = asyncio.create_task(_keep_folding(folder, stop))
        folding.append(await _sent_per_s(stage))
        stop.set()
        await busy
    return [
        Figure(
            "mails/s while folding twice a second", statistics.median(folding), "/s",
            "nobody folds", statistics.median(without),
        )
    ]  # fmt: skip


async def _keep_folding(folder: Folder, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await folder.tick()
        await asyncio.sleep(0.5)


async def _sent_per_s(stage: Stage) -> float:
    await stage.owner("update lane set state = 'paused'")
    ids = await stage.put_in(MAILS)
    await stage.owner("update lane set state = 'open', paused_by = null")
    began = time.monotonic()
    await stage.until_accepted(ids)
    return MAILS / (time.monotonic() - began)


async def _all(stage: Stage, sql: str, *values: object) -> list[asyncpg.Record]:
    async with connect_owner(stage.services.admin_url) as owner:
        rows: list[asyncpg.Record] = await owner.fetch(sql, *values)
        return rows
