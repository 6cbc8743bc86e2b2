"""Operations at size: what watching, counting and showing a ledger of millions takes, and what
sending pays for it.

The peer is the question put to the ledger itself, in the same run on the same rows.
"""

from __future__ import annotations

import asyncio
import time

from benchmarks import ops_fold, ops_ingest, ops_look, ops_paging, ops_screen
from benchmarks.figure import Figure
from benchmarks.ledger import make_ledger, say
from benchmarks.meter import load
from benchmarks.stage import Stage
from mentalspace.engine.rollup import Folder


async def measure(stage: Stage, messages: int, seconds: float) -> list[Figure]:
    """`messages` is how many there are; ten million are made within ten minutes on two cores.
    `seconds` is how long the worker's own turns are watched."""
    made = await make_ledger(stage, messages)
    say(f"{messages:,} messages made in {made.seconds:.0f} s, {made.size_bytes / 1e9:.1f} GB")
    first = await _fold_first(stage)
    figures = [
        Figure("messages made a second", messages / made.seconds, "/s", note=load()),
        Figure("messages counted a second, at first", messages / first, "/s", note=load()),
    ]
    for part in (
        ops_screen.measure(stage),
        ops_look.measure(stage, seconds),
        ops_paging.measure(stage),
        ops_fold.measure(stage),
        ops_ingest.measure(stage),
    ):
        found = await part
        for figure in found:
            say(f"{figure.name}: {figure.ours:.3f} {figure.unit}  ({figure.note})")
        figures += found
    return figures


async def _fold_first(stage: Stage) -> float:
    """Count all of it for the first time; the worker takes turns at that. Seconds."""
    folder = Folder(stage.services.database, stage.services.runbooks)
    began = time.monotonic()
    while await _behind(stage):
        await folder.tick()
        await asyncio.sleep(0.2)
    await stage.owner("analyze rollup_hour, rollup_day, rollup_platform, reached")
    took = time.monotonic() - began
    say(f"counted for the first time in {took:.0f} s")
    return took


async def _behind(stage: Stage) -> bool:
    behind: bool = await stage.owner(
        "select coalesce(folded_until < app.now() - interval '20 min', true) from rollup_state"
    )
    return behind
