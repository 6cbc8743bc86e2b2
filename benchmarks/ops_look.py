"""The evaluator's turns: one in which every rule looks at every credential, and those of a worker
that sends meanwhile."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

from benchmarks.figure import Figure, percentile
from benchmarks.meter import Meter, Took, cpu_of, load, note_of
from benchmarks.sleep import worker_asleep
from benchmarks.stage import UNLIMITED_PER_S, Stage
from mentalspace.engine.alerts import Evaluator
from mentalspace.engine.db import connect, connect_owner
from mentalspace.engine.runbook import AlertKind, AlertState
from mentalspace.engine.watch.pace import Pace

AIM_S = 1.0
FULL_TICKS = 10
# A tick's own, and one for each room it asks at a time.
_BACKENDS = 3
MAILS_PER_S = 5

# As a first version would ask: whole windows of rows, grouped by credential.
_NAIVE_RATE = """
select d.credential_id, count(*), count(*) filter (where d.status = 'delivered'),
       count(*) filter (where d.status in ('bounced', 'refused', 'failed', 'expired'))
  from delivery d join credential c on c.id = d.credential_id
 where c.integration = $1 and d.drill is null
   and coalesce(d.accepted_at, d.ended_at) > app.now() - $2 * interval '1 s'
 group by 1
"""
_FORGET_LOOKS = """
update alert_look set looked_at = array(select at - interval '1 day' from unnest(looked_at) as at)
"""
_TURN = """
select pid, loops -> 'evaluate' ->> 'well_at' as at,
       (loops -> 'evaluate' ->> 'took_s')::float8 as took_s
  from heartbeat where kind = 'worker' order by beat_at desc limit 1
"""


async def measure(stage: Stage, seconds: float) -> list[Figure]:
    return [*await _full(stage), *await _steady(stage, seconds)]


async def _full(stage: Stage) -> list[Figure]:
    """As if every rule's turn with every credential came in the same second."""
    ticks = await full_ticks(stage)
    walls = [tick.wall_s for tick in ticks]
    median, most = percentile(walls, 0.5), max(walls)
    return [
        Figure(
            "a full evaluation tick, median", median, "s", "the shares alone, from the ledger",
            await _naive(stage), less_is_better=True, aim=f"under {AIM_S:g} s",
            met=median < AIM_S, note=note_of(ticks),
        ),
        Figure(
            f"the longest of {FULL_TICKS}", most, "s", aim=f"under {AIM_S:g} s", met=most < AIM_S,
            note=load(),
        ),
    ]  # fmt: skip


async def full_ticks(stage: Stage, times: int = FULL_TICKS) -> list[Took]:
    """With the worker asleep, which would take some of it; the first is for warming up."""
    services = stage.services
    async with (
        worker_asleep(stage),
        connect(services.login_url, size=_BACKENDS) as database,
        AsyncExitStack() as all_at_once,
    ):
        meter = Meter(
            tuple(
                [
                    await (
                        await all_at_once.enter_async_context(database.as_dispatcher())
                    ).fetchval("select pg_backend_pid()")
                    for _ in range(_BACKENDS)
                ]
            )
        )
        await all_at_once.aclose()
        evaluator = Evaluator(database, services.runbooks, Pace(soonest_s=0.0))
        ticks = []
        for _ in range(times + 1):
            await stage.owner(_FORGET_LOOKS)
            ticks.append(await meter.time(evaluator.tick))
    return ticks[1:]


async def _naive(stage: Stage) -> float:
    """The rules on shares, by whole windows of rows; seconds."""
    began = time.monotonic()
    async with connect_owner(stage.services.admin_url) as owner:
        for room in stage.services.runbooks.rooms:
            for rule in room.overview.alerts:
                if rule.kind is AlertKind.RATE and rule.state is AlertState.LIVE:
                    await owner.fetch(_NAIVE_RATE, room.room, rule.window_s)
    return time.monotonic() - began


async def _steady(stage: Stage, seconds: float) -> list[Figure]:
    """By the worker's own word, while it sends mails and hears what became of them."""
    await stage.limit(UNLIMITED_PER_S)
    stop = asyncio.Event()
    mails = asyncio.create_task(_send_on(stage, stop))
    turns: dict[str, float] = {}
    try:
        async with connect_owner(stage.services.admin_url) as owner:
            pid = (await owner.fetchrow(_TURN))["pid"]
            began, spent = time.monotonic(), cpu_of((pid,))
            while time.monotonic() < began + seconds:
                row = await owner.fetchrow(_TURN)
                if row["at"] is not None:
                    turns[row["at"]] = row["took_s"]
                await asyncio.sleep(0.3)
            share = (cpu_of((pid,)) - spent) / (time.monotonic() - began)
    finally:
        stop.set()
        await mails
    walls = list(turns.values())
    p95 = percentile(walls, 0.95)
    note = f"{len(walls)} ticks, {MAILS_PER_S} mails/s, the worker's CPU {share:.0%}, {load()}"
    return [
        Figure("an evaluation tick while sending, p50", percentile(walls, 0.5), "s", note=note),
        Figure(
            "the same, p95", p95, "s", aim=f"under {AIM_S:g} s", met=p95 < AIM_S, note=load()
        ),
    ]  # fmt: skip


async def _send_on(stage: Stage, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await stage.put_in(MAILS_PER_S, lane_class="interactive")
        await asyncio.sleep(1)
