"""From `kill -9` of the worker to the next mail that the provider takes."""

from __future__ import annotations

import asyncio
import statistics
from random import Random

from benchmarks.figure import Figure
from benchmarks.stage import UNLIMITED_PER_S, Stage
from tests.torture.strike import strike, wait_flowing

KILLS = 3
AIM_S = 10.0
_STARTED = """
select extract(epoch from beat.started_at - $1)::float8 from heartbeat beat
 where beat.kind = 'worker' and beat.started_at > $1 order by beat.started_at limit 1
"""


async def measure(stage: Stage) -> list[Figure]:
    """Under load. Part of it is the new process's own start, which is given beside it."""
    await stage.limit(UNLIMITED_PER_S)
    stop = asyncio.Event()
    load = asyncio.create_task(_load(stage, stop))
    took, starts = [], []
    try:
        for number in range(KILLS):
            assert await wait_flowing(stage.services, 30)
            killed_at = await stage.owner("select clock_timestamp()")
            [blow] = await strike(stage.installation, stage.services, ("worker",), Random(number))
            assert blow.recovered_s is not None, "the worker did not come back"
            took.append(blow.recovered_s)
            starts.append(await stage.owner(_STARTED, killed_at))
    finally:
        stop.set()
        await load
    worst = max(took)
    return [
        Figure(
            "kill -9 of the worker to the next mail, median", statistics.median(took), "s",
            "until the new process's heart beats", statistics.median(starts), less_is_better=True,
        ),
        Figure(
            f"the longest of {KILLS}", worst, "s", "", None,
            aim=f"under {AIM_S:.0f} s", met=worst < AIM_S,
        ),
    ]  # fmt: skip


async def _load(stage: Stage, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await stage.put_in(2)
        await asyncio.sleep(0.2)
