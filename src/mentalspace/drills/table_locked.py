"""Rehearses a table that somebody locked: the rules that cannot be judged are one incident."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

import asyncpg

from mentalspace.engine.blindness import RULE, Blind, tell_blind
from mentalspace.engine.db import Connection
from mentalspace.engine.incidents import acknowledge, resolve
from mentalspace.engine.pulse import LOCKED, bound_waits, table_locks
from mentalspace.engine.runbook import AlertState
from mentalspace.engine.services import Services
from mentalspace.engine.watch.kinds import WATCHES
from mentalspace.engine.watch.standing import find_due

TABLE = "lane"
# Of a lock the real evaluator is patient for a minute; nobody is to wait that long for a drill.
ASKS_FOR_S = 0.2
# Whatever becomes of the drill, the server ends its session, and the lock with it.
HOLDS_FOR_S = 15
TRIES = 20
_HOLDER = "mentalspace drill"

_OPEN = "select id from incident where drill = $1 and rule_id = $2 and status <> 'resolved'"
_IT = """
select id, title, status, recovered_at is not null as is_over from incident
 where drill = $1 and rule_id = $2
"""


class TableLocked:
    """Asks the rules' questions itself, writes no rule's state, and tells of them as the evaluator
    would."""

    closing = "the table is free, and the drill's incident is closed"

    def __init__(self, services: Services, run_id: str) -> None:
        self._services = services
        self._run_id = run_id
        self._holder: asyncpg.Connection[Any] | None = None

    async def come(self) -> None:
        """Nothing is needed."""

    async def leave(self) -> None:
        await self._let_go()
        async with self._services.database.as_oncall() as connection:
            for row in await connection.fetch(_OPEN, self._run_id, RULE):
                await resolve(connection, row["id"], "drill")

    async def ask_each_rule(self) -> str:
        for _ in range(TRIES):
            if not (blind := await self._ask()):
                return "each is judged"
            await asyncio.sleep(ASKS_FOR_S)
        return f"{len(blind)} cannot be judged"

    async def lock_the_lanes(self) -> str:
        self._holder = await asyncpg.connect(
            self._services.admin_url,
            server_settings={
                "application_name": _HOLDER,
                "search_path": "app, pg_catalog, public",
                "idle_in_transaction_session_timeout": str(HOLDS_FOR_S * 1000),
                "lock_timeout": str(int(ASKS_FOR_S * 1000)),
            },
        )
        for _ in range(TRIES):
            try:
                await self._holder.execute(f"begin; lock table {TABLE} in access exclusive mode")
                break
            except asyncpg.LockNotAvailableError:
                await self._holder.execute("rollback")
                await asyncio.sleep(ASKS_FOR_S)
        async with self._services.database.as_oncall() as connection:
            held = {one.relation: one.held_by for one in await table_locks(connection)}
        return f"table {TABLE} is held by {held.get(TABLE, 'nobody')}"

    async def ask_each_rule_again(self) -> str:
        blind = await self._ask()
        await self._tell(blind)
        errors = {one.error for one in blind}
        if len(blind) < 2 or errors != {asyncpg.LockNotAvailableError.__name__}:
            return f"{len(blind)} cannot be judged: {', '.join(sorted(errors)) or 'no error'}"
        found = await self._incidents()
        if len(found) != 1:
            return f"several cannot be judged, for a lock; {len(found)} incidents"
        named = [word for word in (f"table {TABLE}", _HOLDER) if word in found[0]["title"]]
        names = " and ".join(named) or "neither"
        return f"several cannot be judged, for a lock; one incident names {names}"

    async def acknowledge_it_meanwhile(self) -> str:
        [incident] = await self._incidents()
        async with self._services.database.as_oncall() as connection:
            done = await acknowledge(connection, incident["id"], "drill")
            locks = await table_locks(connection)
        still = any(one.relation == TABLE for one in locks)
        word = "acknowledged" if done else "not acknowledged"
        return f"{word} {'while the table is locked' if still else 'once the table was free'}"

    async def free_the_lanes(self) -> str:
        await self._let_go()
        told = await self.ask_each_rule()
        await self._tell([])
        [incident] = await self._incidents()
        return f"{told}; {'looks recovered' if incident['is_over'] else 'still stands'}"

    async def _ask(self) -> list[Blind]:
        """Each live rule once, of whomever it may be asked; those whose question failed."""
        rules = [
            (room, rule)
            for room in self._services.runbooks.rooms
            for rule in room.overview.alerts
            if rule.state is AlertState.LIVE
        ]
        blind: list[Blind] = []
        async with self._services.database.as_dispatcher() as connection:
            await bound_waits(connection, ASKS_FOR_S)
            asked_of = [(room.room, rule) for room, rule in rules]
            due = await find_due(connection, asked_of, [0.0] * len(rules))
            for room, rule in rules:
                if subjects := due.get(rule.id):
                    asked = WATCHES[rule.kind](connection, room, rule, subjects)
                    if (error := await _raised(connection, asked)) is not None:
                        blind.append(Blind(room.room, rule, error, subjects[0].now))
        return blind

    async def _tell(self, blind: list[Blind]) -> None:
        async with self._services.database.as_dispatcher() as connection:
            escalation = self._services.runbooks.escalation
            await tell_blind(connection, escalation, blind, drill=self._run_id)

    async def _incidents(self) -> list[Any]:
        async with self._services.database.as_oncall() as connection:
            return list(await connection.fetch(_IT, self._run_id, RULE))

    async def _let_go(self) -> None:
        if self._holder is not None:
            await self._holder.close()
        self._holder = None


async def _raised(connection: Connection, asked: Awaitable[object]) -> str | None:
    """The name of what it raised, if anything to do with a lock."""
    try:
        async with connection.transaction():
            await asked
    except LOCKED as error:
        return type(error).__name__
    return None


Act = Callable[[TableLocked], Awaitable[str]]
ACTS: Mapping[str, Act] = MappingProxyType(
    {
        act.__name__: act
        for act in (
            TableLocked.ask_each_rule,
            TableLocked.lock_the_lanes,
            TableLocked.ask_each_rule_again,
            TableLocked.acknowledge_it_meanwhile,
            TableLocked.free_the_lanes,
        )
    }
)
