"""The fold: what it takes, also of what comes late, and what sending pays for all that counts."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import suppress

from benchmarks.figure import Figure, percentile
from benchmarks.meter import Meter, Took, load, note_of
from benchmarks.stage import UNLIMITED_PER_S, Stage
from mentalspace.engine.alerts import EVALUATION_LOCK
from mentalspace.engine.db import Database, connect, connect_owner
from mentalspace.engine.rollup import FOLD_LOCK, Folder

# Enough for several folds and looks at everybody while they leave.
MAILS = 6000
FOLD_EVERY_S = 5.0
LATE = 1000
TIMES = 5
ROUNDS = 3

_NAIVE_FOLD = """
select d.credential_id, date_trunc('hour', coalesce(d.accepted_at, d.ended_at)), d.status, count(*)
  from delivery d
 where d.drill is null and coalesce(d.accepted_at, d.ended_at) > app.now() - interval '1 day'
 group by 1, 2, 3
"""
# Those of the last day or days of which nothing had been heard: of every practice some.
_HEAR_LATE = """
with told as (
  update delivery set status = 'delivered' where id in (
    select id from delivery where status = 'accepted' and accepted_at < app.now() - interval '1 h'
     order by accepted_at desc limit $1) returning id, practice_id
) insert into timeline (practice_id, delivery_id, kind, data, actor)
select practice_id, id, 'provider_event', '{"event": "email.delivered"}', 'provider' from told
"""


async def measure(stage: Stage) -> list[Figure]:
    async with connect(stage.services.login_url, size=1) as database:
        async with database.as_dispatcher() as connection:
            meter = Meter((await connection.fetchval("select pg_backend_pid()"),))
        return [*await _fold(stage, database, meter), *await _ingest(stage, database)]


async def _fold(stage: Stage, database: Database, meter: Meter) -> list[Figure]:
    """A fold of the last moments, and one after a thousand callbacks that came hours late."""
    folder = Folder(database, stage.services.runbooks)
    naive = await _naive(stage)
    await folder.tick()
    quiet = [await meter.time(folder.tick) for _ in range(TIMES)]
    late = [await late_fold(stage, folder, meter) for _ in range(ROUNDS)]
    beside = "the last day anew"
    return [
        Figure(
            "a fold of what is new", percentile([q.wall_s for q in quiet], 0.5), "s", beside, naive,
            less_is_better=True, note=note_of(quiet),
        ),
        Figure(
            f"a fold of {LATE:,} late callbacks", percentile([x.wall_s for x in late], 0.5), "s",
            beside, naive, less_is_better=True, note=note_of(late),
        ),
    ]  # fmt: skip


async def late_fold(stage: Stage, folder: Folder, meter: Meter) -> Took:
    """Once more if the worker was quicker, whose fold it then was."""
    for _ in range(5):
        await stage.owner(_HEAR_LATE, LATE)
        counted = 0

        async def fold() -> None:
            nonlocal counted
            counted = await folder.tick()

        took = await meter.time(fold)
        if counted >= LATE:
            return took
    raise TimeoutError("the worker always folds first")


async def _naive(stage: Stage) -> float:
    async with connect_owner(stage.services.admin_url) as owner:
        began = time.monotonic()
        await owner.fetch(_NAIVE_FOLD)
        return time.monotonic() - began


async def _ingest(stage: Stage, database: Database) -> list[Figure]:
    """Mails a second through the worker: with nobody folding or looking at rules, and with both.
    Turn by turn, for what else runs on the machine changes."""
    await stage.limit(UNLIMITED_PER_S)
    await stage.account_change(webhook_url=None)
    folder = Folder(database, stage.services.runbooks)
    await _sent_per_s(stage)  # warm
    without, beside = [], []
    for _ in range(ROUNDS):
        async with connect_owner(stage.services.admin_url) as owner:
            for lock in (FOLD_LOCK, EVALUATION_LOCK):
                await owner.execute("select pg_advisory_lock($1)", lock)
            without.append(await _sent_per_s(stage))
        stop = asyncio.Event()
        busy = asyncio.create_task(_keep_folding(folder, stop))
        beside.append(await _sent_per_s(stage))
        stop.set()
        await busy
    return [
        Figure(
            "mails/s beside folds and evaluation", statistics.median(beside), "/s",
            "neither folds nor looks", statistics.median(without), note=load(),
        )
    ]  # fmt: skip


async def _keep_folding(folder: Folder, stop: asyncio.Event) -> None:
    """Six times as often as the worker does: a round of mails would meet none of its folds."""
    while not stop.is_set():
        await folder.tick()
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), FOLD_EVERY_S)


async def _sent_per_s(stage: Stage) -> float:
    await stage.owner("update lane set state = 'paused'")
    ids = await stage.put_in(MAILS)
    await stage.owner("update lane set state = 'open', paused_by = null")
    began = time.monotonic()
    await stage.until_accepted(ids)
    return MAILS / (time.monotonic() - began)
