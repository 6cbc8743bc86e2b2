"""Rehearses a loop that hangs: a process of its own, whose loop waits for a lock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

import asyncpg

from mentalspace.engine.db import Database, connect
from mentalspace.engine.house_alert import hold
from mentalspace.engine.incidents import resolve
from mentalspace.engine.loops import Loops
from mentalspace.engine.process import BEAT_EVERY_S, beat, process_name, repeat
from mentalspace.engine.pulse import Stalled, lock_waits, stalled_loops
from mentalspace.engine.services import Services
from mentalspace.engine.watchman import stands_still

RULE = "house.loop_silent"
LOOP = "drilled"
EVERY_S = 0.2
# Of a loop that turns five times a second it is long; and longer than a loop must wait to say so.
HANGS_AFTER_S = 3.0
WITHIN_S = 40.0
LOOK_EVERY_S = 0.2
_LOCK = 7_235_661_099
_HOLDER = "mentalspace drill"

_OPEN = "select id from incident where drill = $1 and rule_id = $2 and status <> 'resolved'"
_OVER = "select recovered_at is not null from incident where drill = $1 and rule_id = $2"
_ATTACHED = """
select e.said::text as said from incident_evidence e join incident i on i.id = e.incident_id
 where i.drill = $1 and e.kind = 'query'
"""


async def take_the_lock(database: Database) -> None:
    """The loop's work: done at once, unless somebody holds the lock."""
    async with database.as_dispatcher() as connection:
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)


class LoopHangs:
    """Beats its heart as a worker does; its loop is held up by a connection of somebody else's."""

    closing = "the lock is let go, the process is forgotten, and the drill's incident is closed"

    def __init__(self, services: Services, run_id: str) -> None:
        self._services = services
        self._run_id = run_id
        self._name = process_name("drill")
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._holder: asyncpg.Connection[Any] | None = None

    async def come(self) -> None:
        self._tasks = [asyncio.create_task(self._live())]

    async def leave(self) -> None:
        await self._let_go()
        self._stop.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        async with self._services.database.as_dispatcher() as connection:
            await connection.execute("delete from heartbeat where process = $1", self._name)
        async with self._services.database.as_oncall() as connection:
            for row in await connection.fetch(_OPEN, self._run_id, RULE):
                await resolve(connection, row["id"], "drill")

    async def let_a_loop_turn(self) -> str:
        return await self._until(self._turns, "turns")

    async def hold_its_lock(self) -> str:
        self._holder = await asyncpg.connect(
            self._services.admin_url, server_settings={"application_name": _HOLDER}
        )
        await self._holder.execute("select pg_advisory_lock($1)", _LOCK)
        await self._until(self._waits, "")
        stalled, holders = await self._stalled(), await self._holders()
        if not stalled:
            return "turns all the same"
        one = stalled[0]
        verb = "fails" if one.fails else "hangs"
        return f"{verb}; it waits for {one.waits}; in its way: {', '.join(holders) or 'nobody'}"

    async def look_as_the_watchman(self) -> str:
        await self._look()
        async with self._services.database.as_oncall() as connection:
            title = await connection.fetchval(
                "select title from incident where drill = $1 and rule_id = $2", self._run_id, RULE
            )
        held = f"A living drill hangs in {LOOP} (" in (title or "")
        return "an incident of a loop that hangs" if held else f"{title or 'no incident'}"

    async def read_what_is_attached(self) -> str:
        async def attached() -> bool:
            return len(await self._said()) >= 2

        await self._until(attached, "")
        said = "\n".join(await self._said())
        loop = "there" if LOOP in said and "take_the_lock" in said else "missing"
        holder = "there" if _HOLDER in said else "missing"
        return f"the loop and what it waits for: {loop}; who holds the lock: {holder}"

    async def let_go_of_its_lock(self) -> str:
        await self._let_go()
        turns = await self._until(self._turns, "turns")
        await self._look()
        async with self._services.database.as_oncall() as connection:
            over = await connection.fetchval(_OVER, self._run_id, RULE)
        return f"{turns}; {'looks recovered' if over else 'still stands'}"

    async def _live(self) -> None:
        """A process as the worker is one: its loop, and a heart of its own."""
        loops, name = Loops(), "mentalspace drill loop"
        url = self._services.login_url
        async with (
            connect(url, size=1, name=name) as mine,
            connect(url, size=1, name=name) as heart,
            asyncio.TaskGroup() as group,
        ):

            async def work() -> None:
                await take_the_lock(mine)

            async def pulse() -> None:
                await beat(heart, self._name, "drill", loops)

            group.create_task(repeat(LOOP, EVERY_S, work, self._stop, loops))
            group.create_task(repeat("beat", BEAT_EVERY_S / 4, pulse, self._stop))

    async def _stalled(self, after_s: float = HANGS_AFTER_S) -> list[Stalled]:
        async with self._services.database.as_dispatcher() as connection:
            found = await stalled_loops(connection, after_s)
        return [one for one in found if one.process == self._name]

    async def _holders(self) -> list[str]:
        async with self._services.database.as_oncall() as connection:
            waits = await lock_waits(connection)
        return sorted({one.held_by for one in waits if one.held_by == _HOLDER})

    async def _turns(self) -> bool:
        async with self._services.database.as_dispatcher() as connection:
            beats = await connection.fetchval(
                "select loops -> $2 ? 'well_at' from heartbeat where process = $1",
                self._name,
                LOOP,
            )
        return bool(beats) and not await self._stalled(1.0)

    async def _waits(self) -> bool:
        return any(one.waits for one in await self._stalled())

    async def _look(self) -> None:
        """What the watchman does, of this process alone: the others' loops are no drill's."""
        stalled = await self._stalled()
        found = {one.process: stands_still(stalled, one) for one in stalled}
        async with self._services.database.as_dispatcher() as connection:
            escalation = self._services.runbooks.escalation
            await hold(connection, escalation, RULE, found, drill=self._run_id)

    async def _said(self) -> list[str]:
        async with self._services.database.as_oncall() as connection:
            return [row["said"] for row in await connection.fetch(_ATTACHED, self._run_id)]

    async def _let_go(self) -> None:
        if self._holder is not None:
            await self._holder.close()
        self._holder = None

    async def _until(self, holds: Callable[[], Awaitable[bool]], word: str) -> str:
        ends = time.monotonic() + WITHIN_S
        while time.monotonic() < ends:
            if await holds():
                return word
            await asyncio.sleep(LOOK_EVERY_S)
        return f"not within {WITHIN_S:g} s"


Act = Callable[[LoopHangs], Awaitable[str]]
ACTS: Mapping[str, Act] = MappingProxyType(
    {
        act.__name__: act
        for act in (
            LoopHangs.let_a_loop_turn,
            LoopHangs.hold_its_lock,
            LoopHangs.look_as_the_watchman,
            LoopHangs.read_what_is_attached,
            LoopHangs.let_go_of_its_lock,
        )
    }
)
