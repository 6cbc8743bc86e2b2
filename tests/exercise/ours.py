"""Ways to break the installation itself, or what a colleague did to it; healed with their block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from tests.exercise.fault import House
from tests.exercise.theirs import Laid

# Of a hundred connections: it stops at the first that is refused.
_MOST_SESSIONS = 200


def worker_killed(every_s: float) -> Laid:
    """As by the system's hunt for memory: again and again, whatever it has in hand."""

    @asynccontextmanager
    async def laid(house: House) -> AsyncIterator[None]:
        async def kill_again() -> None:
            while True:
                await house.kill_worker()
                await asyncio.sleep(every_s)

        killing = asyncio.create_task(kill_again())
        try:
            yield
        finally:
            killing.cancel()
            with suppress(asyncio.CancelledError):
                await killing

    return laid


def locked(table: str, mode: str, program: str) -> Laid:
    """Somebody's program has locked a table and sits in its transaction."""

    @asynccontextmanager
    async def laid(house: House) -> AsyncIterator[None]:
        connection = await house.session(program)
        try:
            await connection.execute("begin")
            await connection.execute(f"lock table {table} in {mode} mode")
            yield
        finally:
            # Closed, it is rolled back; and a stranger may have ended it already.
            with suppress(Exception):
                await connection.close(timeout=5)

    return laid


def connections_taken(program: str) -> Laid:
    """Somebody's program takes every connection that the database has for us."""

    @asynccontextmanager
    async def laid(house: House) -> AsyncIterator[None]:
        taken: list[Any] = []

        async def take() -> None:
            with suppress(asyncpg.TooManyConnectionsError):
                while len(taken) < _MOST_SESSIONS:
                    taken.append(await house.session(program, ours=True))

        async def take_again() -> None:
            while True:
                await take()
                await asyncio.sleep(1)

        await take()
        taking = asyncio.create_task(take_again())
        try:
            yield
        finally:
            taking.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await taking
            for connection in taken:
                with suppress(Exception):
                    await connection.close(timeout=5)

    return laid


def paused(room: str, endpoint: str, lasts: str, reason: str) -> Laid:
    """A colleague paused a practice's lanes and went home."""

    @asynccontextmanager
    async def laid(house: House) -> AsyncIterator[None]:
        where = f"{room}/{endpoint}"
        await house.command("lane", "pause", where, "--for", lasts, "--reason", reason)
        try:
            yield
        finally:
            await house.command("lane", "open", where)

    return laid


def only_tests(room: str, at: str) -> Laid:
    """A colleague lets nothing of a practice through but what goes to test recipients."""

    @asynccontextmanager
    async def laid(house: House) -> AsyncIterator[None]:
        words = ("credential", "test-mode", room, "--practice", at)
        await house.command(*words)
        try:
            yield
        finally:
            await house.command(*words, "--off")

    return laid


def wrong_address(room: str, at: str, base_url: str) -> Laid:
    """A colleague entered a practice's credential with an address where nobody is."""

    @asynccontextmanager
    async def laid(house: House) -> AsyncIterator[None]:
        await house.enter_credential(room, at, base_url)
        try:
            yield
        finally:
            await house.enter_credential(room, at)

    return laid
