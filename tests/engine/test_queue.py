"""The queue's traps: what it does that the engine must answer for."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from mentalspace.engine.db import CONNECTION_LOST, Database
from mentalspace.engine.queue import Handler, Queue, WakeUp, run_queue
from tests.engine.toy import Bench
from tests.house import until

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def queue(database_url: str) -> AsyncIterator[Queue]:
    opened = Queue(database_url)
    yield opened
    await opened.close()


@asynccontextmanager
async def consuming(url: str, handlers: Mapping[str, Handler]) -> AsyncIterator[asyncio.Event]:
    """A consumer in this loop, asked to stop at the end."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_queue(url, handlers, stop=stop))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(task, 15)


def wake(payload: str, key: str | None = None, priority: int = 0) -> WakeUp:
    return WakeUp("lane", payload, key or f"lane:{payload}", priority)


async def reaches(taken: list[str], count: int) -> bool:
    return len(taken) >= count


async def test_a_failing_wakeup_is_gone_and_its_lane_wakes_again(
    queue: Queue, database_url: str
) -> None:
    """A handler that fails neither keeps its key nor blocks the same lane's next wake-up."""
    taken: list[str] = []

    async def fails_first(payload: str) -> None:
        taken.append(payload)
        if len(taken) == 1:
            raise ZeroDivisionError

    async with consuming(database_url, {"lane": fails_first}):
        await queue.enqueue([wake("a")])
        await until(lambda: reaches(taken, 1))
        await until(lambda: _empty(queue))
        assert await queue.enqueue([wake("a")]) == 1
        await until(lambda: reaches(taken, 2))


async def _empty(queue: Queue) -> bool:
    return await queue.depth() == 0


async def test_one_wakeup_a_key(queue: Queue, database_url: str) -> None:
    """A key waits or is worked on once, however often it is queued; when it is done, again."""
    assert await queue.enqueue([wake("a"), wake("b")]) == 2
    assert await queue.enqueue([wake("a"), wake("c")]) == 1
    assert await queue.depth() == 3
    taken: list[str] = []
    go_on = asyncio.Event()

    async def takes(payload: str) -> None:
        taken.append(payload)
        await go_on.wait()

    async with consuming(database_url, {"lane": takes}):
        await until(lambda: reaches(taken, 3))
        assert await queue.enqueue([wake("a")]) == 0
        go_on.set()
        await until(lambda: _empty(queue))
        assert await queue.enqueue([wake("a")]) == 1
        await until(lambda: reaches(taken, 4))
    assert sorted(taken) == ["a", "a", "b", "c"]


async def test_interactive_goes_before_bulk(queue: Queue, database_url: str) -> None:
    """Of what waits, the higher priority is taken up first, though it came last."""
    await queue.enqueue([wake(f"bulk-{n}") for n in range(30)])
    await queue.enqueue([wake("interactive", priority=10)])
    taken: list[str] = []

    async def takes(payload: str) -> None:
        taken.append(payload)

    async with consuming(database_url, {"lane": takes}):
        await until(lambda: reaches(taken, 31))
    assert taken[0] == "interactive"


async def test_the_dispatcher_wakes_what_is_urgent_first(bench: Bench, database_url: str) -> None:
    """Webhooks are worked before interactive lanes, and those before bulk, whatever came first."""
    bulk = await bench.deliver(lane_class="bulk")
    interactive = await bench.deliver()
    # So that the table's own order would be the wrong one.
    await bench.admin.execute("update lane set paused_by = 'x' where class = 'interactive'")
    await bench.inbox().receive("toy", "default", b"{}", {"x-key": "k-1", "x-id": "1"})
    assert await bench.dispatch() == 3
    taken: list[str] = []

    async def takes(payload: str) -> None:
        taken.append(payload)

    async with consuming(database_url, {"lane": takes, "inbox": takes}):
        await until(lambda: reaches(taken, 3))
    lanes = [(await bench.row(delivery))["lane_id"] for delivery in (interactive, bulk)]
    practice = bench.practice_id
    assert taken == [str(practice), *(f"{practice}/{lane}" for lane in lanes)]


async def test_a_killed_consumers_wakeup_is_taken_up_elsewhere(
    queue: Queue, database_url: str
) -> None:
    """What a consumer held when it was killed is with a living one within ten seconds."""
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.engine.consumer", database_url,
        stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    assert victim.stdout is not None
    await queue.enqueue([wake("slow")])
    assert await asyncio.wait_for(victim.stdout.readline(), 15) == b"slow\n"
    taken: list[str] = []

    async def takes(payload: str) -> None:
        taken.append(payload)

    async with consuming(database_url, {"lane": takes}):
        await asyncio.sleep(1)
        assert taken == [], "it is still worked on"
        victim.kill()
        await victim.wait()
        killed_at = time.monotonic()
        await until(lambda: reaches(taken, 1), within_s=15)
    assert time.monotonic() - killed_at < 10


async def test_the_consumer_survives_losing_its_connections(
    queue: Queue, database_url: str, admin: asyncpg.Connection[Any]
) -> None:
    """With every connection of the queue cut, it comes back by itself, sender and consumer."""
    taken: list[str] = []

    async def takes(payload: str) -> None:
        taken.append(payload)

    async with consuming(database_url, {"lane": takes}):
        for number in range(3):
            await _send_until_taken(queue, f"a-{number}", taken)
            await admin.fetch(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'mentalspace-queue' and datname = current_database()"
            )
        await _send_until_taken(queue, "last", taken)


async def _send_until_taken(queue: Queue, payload: str, taken: list[str]) -> None:
    """As the dispatcher does: queue again each tick until somebody has come."""

    async def sent() -> bool:
        try:
            await queue.enqueue([wake(payload)])
        except CONNECTION_LOST:
            return False
        return payload in taken

    await until(sent)


async def test_stop_finishes_the_work_in_hand(queue: Queue, database_url: str) -> None:
    """Told to stop, the consumer takes up nothing new and returns when its work is done."""
    begun, done = asyncio.Event(), asyncio.Event()

    async def takes_a_while(_payload: str) -> None:
        begun.set()
        await asyncio.sleep(0.7)
        done.set()

    async with consuming(database_url, {"lane": takes_a_while}) as stop:
        await queue.enqueue([wake("a")])
        await begun.wait()
        stop.set()
        await asyncio.sleep(0.1)
        await queue.enqueue([wake("b")])
    assert done.is_set()
    assert await queue.depth() == 1


@pytest.mark.parametrize("role", ["as_user", "as_worker", "as_dispatcher", "as_oncall", "as_door"])
async def test_nobody_enqueues_directly(database: Database, role: str) -> None:
    """No role of a request or a worker reaches the queue's tables."""
    acting: Mapping[str, Callable[[], Any]] = {
        "as_user": lambda: database.as_user(
            {"practice": str(uuid4()), "practice_role": "administrator"}
        ),
        "as_worker": lambda: database.as_worker(uuid4()),
        "as_dispatcher": database.as_dispatcher,
        "as_oncall": database.as_oncall,
        "as_door": database.as_door,
    }
    for statement in (
        "insert into queue.pgqueuer (priority, entrypoint, status) values (1, 'lane', 'queued')",
        "select count(*) from queue.pgqueuer",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with acting[role]() as connection:
                await connection.execute(statement)
