"""A ledger of any size, made in the database itself: practices, messages, attempts, their lines."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from benchmarks import ledger_sql as sql
from benchmarks.sleep import worker_asleep
from benchmarks.stage import Stage
from mentalspace.engine.db import connect_owner

DAYS = 90
PRACTICES = 300
# Half of what is sent is known two weeks ahead, as reminders that wait.
AHEAD_DAYS = 14
# At a time: what it makes is read three times, and should still be in memory then.
CHUNK = 1_000_000


@dataclass(frozen=True, slots=True)
class Made:
    """How long it took, and how large the database is."""

    seconds: float
    size_bytes: int


def say(text: str) -> None:
    print(f"ops: {text}", file=sys.stderr, flush=True)


async def make_ledger(stage: Stage, messages: int) -> Made:
    """So many messages over 90 days of 300 practices and the demo's own, with an attempt, its link
    and two lines of the timeline each; and reminders that wait for the next two weeks.

    The worker sleeps meanwhile, and the made-up past is not safe from a crash.
    """
    began = time.monotonic()
    async with worker_asleep(stage), _hands(stage) as (one, other):
        await _make_practices(stage, one)
        await one.execute(sql.LAY_INDEXES_ASIDE, list(sql.TABLES))
        for first in range(0, messages, CHUNK):
            last = min(first + CHUNK, messages)
            await _make_chunk(one, other, first, last, messages)
            say(f"{last:,} messages after {time.monotonic() - began:.0f} s")
        await one.execute(sql.AHEAD, messages * AHEAD_DAYS // (2 * DAYS), AHEAD_DAYS)
        await one.execute("drop table bench_whose")
        await _make_indexes(one, other)
        say(f"indexes after {time.monotonic() - began:.0f} s")
        await asyncio.gather(
            one.execute("vacuum (freeze, analyze) delivery, attempt_delivery"),
            other.execute("vacuum (freeze, analyze) timeline, attempt, inbox"),
        )
        await one.execute("analyze")
        await _do(one, *sql.COUNTED_ANEW)
        size: int = await one.fetchval("select pg_database_size(current_database())")
    return Made(time.monotonic() - began, size)


@asynccontextmanager
async def _hands(stage: Stage) -> AsyncIterator[list[asyncpg.Connection[Any]]]:
    """Two connections that hurry: no rule of a row is asked, and nothing waits for the disk."""
    async with AsyncExitStack() as stack:
        hands = [
            await stack.enter_async_context(connect_owner(stage.services.admin_url))
            for _ in range(2)
        ]
        for hand in hands:
            await hand.execute(sql.HURRY)
        try:
            for statement in sql.HURRY_ALL:
                await hands[0].execute(statement)
            yield hands
        finally:
            for statement in sql.AS_BEFORE:
                await hands[0].execute(statement)


async def _make_practices(stage: Stage, owner: asyncpg.Connection[Any]) -> None:
    await owner.execute(sql.PRACTICES, PRACTICES)
    for statement in (sql.CREDENTIALS, sql.STATES, sql.LANES, sql.WHOSE):
        await owner.execute(statement)
    vault, rows = stage.services.vault, await owner.fetch(sql.UNSEALED)
    await owner.executemany(
        "update credential set secrets = $2 where id = $1",
        [(row["id"], vault.seal(row["practice_id"], "credential", b"{}")) for row in rows],
    )


async def _make_chunk(
    one: asyncpg.Connection[Any],
    other: asyncpg.Connection[Any],
    first: int,
    last: int,
    messages: int,
) -> None:
    made = sql.MADE
    for place, value in enumerate((first, last, messages, DAYS * 86_400), start=1):
        made = made.replace(f"${place}", str(value))
    await one.execute(made)
    await asyncio.gather(
        _do(one, sql.DELIVERIES, sql.LINKS), _do(other, sql.ATTEMPTS, sql.LINES, sql.CALLBACKS)
    )
    await one.execute("drop table bench_made")


async def _do(owner: asyncpg.Connection[Any], *statements: str) -> None:
    for statement in statements:
        await owner.execute(statement)


async def _make_indexes(*hands: asyncpg.Connection[Any]) -> None:
    """The largest first, each by whoever has a hand free."""
    names = [row["name"] for row in await hands[0].fetch(sql.ASIDE, list(sql.TABLES))]

    async def make(hand: asyncpg.Connection[Any]) -> None:
        while names:
            await hand.execute(f"reindex index {names.pop(0)}")

    await asyncio.gather(*map(make, hands))
    left = await hands[0].fetchval("select count(*) from pg_index where not indisvalid")
    assert left == 0, f"{left} indexes are not valid"
