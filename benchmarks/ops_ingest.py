"""What sending pays for all that counts and looks: mails a second, and how long a mail takes."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from benchmarks.figure import Figure, percentile
from benchmarks.meter import load
from benchmarks.stage import UNLIMITED_PER_S, Stage
from mentalspace.engine.alerts import EVALUATION_LOCK
from mentalspace.engine.db import connect, connect_owner
from mentalspace.engine.rollup import FOLD_LOCK, Folder

ROUNDS = 3
# Enough for several folds, and more than one look at everybody, while they leave.
MAILS = 18_000
FOLD_EVERY_S = 5.0
# Thirty times what ten million in ninety days are in the mean.
PACED_PER_S = 40
PACED_S = 30

T = TypeVar("T")


async def measure(stage: Stage) -> list[Figure]:
    await stage.limit(UNLIMITED_PER_S)
    # Nobody calls back, and nobody is expected to: what is missed would be asked after.
    await stage.account_change(webhook_url=None)
    await stage.owner(
        "update credential set follows = false where practice_id = $1 and integration = 'email'",
        stage.practice_id,
    )
    await _sent_per_s(stage)  # warm
    paced = await _compare(stage, _ways_s)
    flood = await _compare(stage, _sent_per_s)
    figures = []
    for share in (0.5, 0.95):
        ours, peer = (percentile([w for way in ways for w in way], share) for ways in paced)
        figures.append(
            Figure(
                f"a mail taken, {PACED_PER_S} a second, p{share * 100:g}", ours, "s",
                "neither folds nor looks", peer, less_is_better=True, note=load(),
            )
        )  # fmt: skip
    beside, without = (statistics.median(rounds) for rounds in flood)
    return [
        *figures,
        Figure(
            "mails/s beside folds and evaluation", beside, "/s", "neither folds nor looks", without,
            note=load(),
        ),
    ]  # fmt: skip


async def _compare(
    stage: Stage, measured: Callable[[Stage], Awaitable[T]]
) -> tuple[list[T], list[T]]:
    """Beside folds and evaluation, and without. Turn by turn, for what else runs on the machine
    changes."""
    beside: list[T] = []
    without: list[T] = []
    for _ in range(ROUNDS):
        async with _nobody_counts(stage):
            without.append(await measured(stage))
        async with _folds(stage):
            beside.append(await measured(stage))
    return beside, without


@asynccontextmanager
async def _nobody_counts(stage: Stage) -> AsyncIterator[None]:
    async with connect_owner(stage.services.admin_url) as owner:
        for lock in (FOLD_LOCK, EVALUATION_LOCK):
            await owner.execute("select pg_advisory_lock($1)", lock)
        yield


@asynccontextmanager
async def _folds(stage: Stage) -> AsyncIterator[None]:
    """Six times as often as the worker does: a round of mails would meet too few of its folds."""
    stop = asyncio.Event()

    async def keep_folding() -> None:
        async with connect(stage.services.login_url, size=1) as database:
            folder = Folder(database, stage.services.runbooks)
            while not stop.is_set():
                await folder.tick()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), FOLD_EVERY_S)

    busy = asyncio.create_task(keep_folding())
    yield
    stop.set()
    await busy


async def _sent_per_s(stage: Stage) -> float:
    await stage.owner("update lane set state = 'paused' where practice_id = $1", stage.practice_id)
    ids = await stage.put_in(MAILS)
    await stage.owner(
        "update lane set state = 'open', paused_by = null where practice_id = $1", stage.practice_id
    )
    began = time.monotonic()
    await stage.until_accepted(ids)
    return MAILS / (time.monotonic() - began)


async def _ways_s(stage: Stage) -> list[float]:
    """From due to taken, of each."""
    ids, began = [], time.monotonic()
    for second in range(1, PACED_S + 1):
        ids += await stage.put_in(PACED_PER_S)
        await asyncio.sleep(max(0.0, began + second - time.monotonic()))
    await stage.until_accepted(ids)
    ways: list[float] = await stage.owner(
        "select array_agg(extract(epoch from accepted_at - due_at)::float8) from delivery"
        " where id = any ($1)",
        ids,
    )
    return ways
