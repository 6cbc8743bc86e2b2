"""Connections that must say as whom they act before they see a row."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

# What a database that is away, restarting or ending our connection raises. The last one comes
# when the connection ends while a statement is being put to it.
CONNECTION_LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

# The app's own now() comes before PostgreSQL's, so that the runbook's SQL follows our Clock.
SEARCH_PATH = "app, pg_catalog, public"
# An on-call engineer meets masked views first, under the names of the real tables.
ONCALL_SEARCH_PATH = "oncall, app, pg_catalog, public"

_ACT_AS = (
    "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true),"
    " set_config('search_path', $3, true), set_config('lock_timeout', $4, true)"
)
# A person who looks in the night waits no longer for a lock, and is told who holds it.
LOOKING_WAITS_S = 3.0
_WHILE_IT_TAKES = 0.0


class Database:
    """A pool of the login role, which owns nothing. Each `as_…` is one transaction."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool

    @asynccontextmanager
    async def acting(
        self,
        role: str,
        claims: Mapping[str, Any],
        search_path: str = SEARCH_PATH,
        lock_wait_s: float = _WHILE_IT_TAKES,
    ) -> AsyncIterator[Connection]:
        """After `lock_wait_s` for one lock, asyncpg.LockNotAvailableError; 0 is for ever."""
        locked_after = f"{lock_wait_s * 1000:.0f}"
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_ACT_AS, role, json.dumps(claims), search_path, locked_after)
            yield connection

    @asynccontextmanager
    async def as_worker(self, practice_id: UUID) -> AsyncIterator[Connection]:
        """A worker, held to the practice of the delivery it holds."""
        async with self.acting("mentalspace_worker", {"practice": str(practice_id)}) as connection:
            yield connection

    async def go_on_as_worker(self, connection: Connection, practice_id: UUID) -> None:
        """For the rest of a transaction that began as somebody else's, before it was known whose
        practice it is about."""
        claims = json.dumps({"practice": str(practice_id)})
        await connection.execute(_ACT_AS, "mentalspace_worker", claims, SEARCH_PATH, "0")

    @asynccontextmanager
    async def as_dispatcher(self) -> AsyncIterator[Connection]:
        """Dispatcher and evaluators: every practice, scheduling and counting columns."""
        async with self.acting("mentalspace_dispatcher", {}) as connection:
            yield connection

    @asynccontextmanager
    async def as_user(
        self, claims: Mapping[str, Any], lock_wait_s: float = _WHILE_IT_TAKES
    ) -> AsyncIterator[Connection]:
        """A signed-in person. `claims` hold `sub`, `practice`, `practice_role`, `client`."""
        acting = self.acting("authenticated", claims, lock_wait_s=lock_wait_s)
        async with acting as connection:
            yield connection

    @asynccontextmanager
    async def as_oncall(self, claims: Mapping[str, Any] | None = None) -> AsyncIterator[Connection]:
        """An on-call engineer: every practice, through views that name nobody. `claims` say which
        engineer, where the database asks."""
        as_whom = "mentalspace_oncall", claims or {}, ONCALL_SEARCH_PATH, LOOKING_WAITS_S
        async with self.acting(*as_whom) as connection:
            yield connection

    @asynccontextmanager
    async def as_door(self, lock_wait_s: float = _WHILE_IT_TAKES) -> AsyncIterator[Connection]:
        """Before it is known who knocks: log-in, sessions, hook endpoints."""
        acting = self.acting("mentalspace_door", {}, lock_wait_s=lock_wait_s)
        async with acting as connection:
            yield connection

    async def close(self) -> None:
        await self._pool.close()


@asynccontextmanager
async def connect_owner(url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """One connection of the owner, whom no policy holds: for start-up and drills, never a door."""
    connection = await asyncpg.connect(url, server_settings={"search_path": SEARCH_PATH})
    try:
        await _prepare(connection)
        yield connection
    finally:
        await connection.close()


async def _nothing_to_reset(_connection: Any) -> None:
    """As whom a connection acts ends with its transaction, and nothing else is ever set."""


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
    )


@asynccontextmanager
async def connect(
    url: str, *, size: int = 10, role: str | None = None, name: str = "mentalspace"
) -> AsyncIterator[Database]:
    """Open a pool for the login role's `url`; closes on exit. The database knows it by `name`."""
    settings = {"search_path": SEARCH_PATH, "application_name": f"{name} {os.getpid()}"}
    if role is not None:
        settings["role"] = role
    pool = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        init=_prepare,
        server_settings=settings,
        command_timeout=60,
        reset=_nothing_to_reset,
    )
    try:
        yield Database(pool)
    finally:
        await pool.close()
