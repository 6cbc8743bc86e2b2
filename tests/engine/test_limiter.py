"""The limiter: at most so many a second, however many ask, and nobody waits behind bulk."""

from __future__ import annotations

import asyncio
import time

import pytest

from mentalspace.engine.limiter import Slot, keep_slot, reserve_slot, slow_down
from mentalspace.kernel.integration import LaneClass
from tests.engine.toy import Bench, Reply

pytestmark = pytest.mark.alone


async def take(bench: Bench, lane_class: LaneClass, count: int) -> list[float]:
    """A worker's turn: one slot after the other is reserved, each left when it has come."""
    left: list[float] = []

    async def leave(slot: Slot) -> None:
        await keep_slot(slot)
        left.append(time.monotonic())

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            slot = await reserve_slot(
                bench.database, bench.practice_id, bench.credential_id, lane_class
            )
            group.create_task(leave(slot))
    return left


async def limit(bench: Bench, per_s: float, burst: int = 1) -> None:
    await bench.admin.execute("update credential set rate_per_s = $1, burst = $2", per_s, burst)


def most_within(moments: list[float], seconds: float) -> int:
    moments = sorted(moments)
    return max(sum(1 for m in moments if first <= m < first + seconds) for first in moments)


async def test_two_workers_together_keep_the_rate(bench: Bench) -> None:
    """Sixty requests of two workers at twenty a second take three seconds, never more than 21 in
    any one of them."""
    await limit(bench, 20)
    began = time.monotonic()
    first, second = await asyncio.gather(take(bench, "interactive", 30), take(bench, "bulk", 30))
    took = time.monotonic() - began
    assert 2.9 <= took < 4.5
    assert most_within(first + second, 1.0) <= 21


async def test_a_burst_goes_at_once_and_no_more_than_it(bench: Bench) -> None:
    """After a pause as many leave at once as the burst allows; the next waits its interval."""
    await limit(bench, 5, burst=4)
    await asyncio.sleep(0.8)
    left = await take(bench, "interactive", 6)
    assert left[3] - left[0] < 0.15
    assert 0.1 < left[4] - left[3] < 0.4
    assert left[5] - left[4] == pytest.approx(0.2, abs=0.1)


async def test_bulk_gives_way_to_interactive(bench: Bench) -> None:
    """While bulk works through its backlog, interactive requests leave as if it were not there."""
    await limit(bench, 10)
    bulk = asyncio.create_task(take(bench, "bulk", 15))
    await asyncio.sleep(0.3)
    asked = time.monotonic()
    interactive = await take(bench, "interactive", 4)
    # Up to three slots at hand may be bulk's; then come four of ours.
    assert max(interactive) - asked < 0.8
    later = [moment for moment in await bulk if moment > asked]
    assert sum(1 for moment in later if moment < max(interactive)) <= 4


async def test_what_a_429_asked_for_holds_for_its_time(bench: Bench) -> None:
    """A lowered rate is obeyed while it lasts, and the usual one afterwards."""
    await limit(bench, 100)
    async with bench.database.as_worker(bench.practice_id) as connection:
        await slow_down(connection, bench.credential_id, per_s=10, for_s=0.5)
    slow = await take(bench, "interactive", 5)
    assert slow[-1] - slow[0] >= 0.38
    await asyncio.sleep(0.3)
    quick = await take(bench, "interactive", 10)
    assert quick[-1] - quick[0] < 0.3


async def test_what_an_answer_says_of_the_rate_is_kept_and_obeyed(bench: Bench) -> None:
    """An answer that names five a second and one left: both stand on the attempt; the next request
    is the last of that second, and those after it keep to five."""
    await limit(bench, 100)
    headers = {"ratelimit-limit": "5", "ratelimit-remaining": "1", "ratelimit-policy": "5;w=1"}
    bench.server.usual = Reply(headers=headers)
    await bench.deliver()
    began = time.monotonic()
    await bench.turn()
    row = await bench.admin.fetchrow("select rate_limit, rate_remaining from attempt")
    assert row is not None
    assert tuple(row) == (5, 1)
    first, second = await take(bench, "interactive", 2)
    assert first - began < 0.9
    assert second - began >= 1.0
