"""The fold: what it takes, also of what comes late."""

from __future__ import annotations

import time

from benchmarks.figure import Figure, percentile
from benchmarks.meter import Meter, Took, note_of
from benchmarks.stage import Stage
from mentalspace.engine.db import Database, connect, connect_owner
from mentalspace.engine.rollup import Folder

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
        return await _fold(stage, database, meter)


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
