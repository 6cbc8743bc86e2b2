"""The queue behind a small port. It holds wake-ups, nothing else: the ledger is the truth.

Built on PgQueuer. What it does that we must answer for (each has a test):
it deletes failed jobs unless told to hold them; a job picked up again after a crash does not
count as an attempt, so poison is counted in the ledger; it ends when PostgreSQL restarts, so
`run_queue` starts it anew; its dequeue time-out delays recovery unless it is short.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg

from mentalspace.engine.log import get_logger

if TYPE_CHECKING:
    from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
    from pgqueuer.adapters.persistence.queries import Queries
    from pgqueuer.core.qm import QueueManager
    from pgqueuer.domain.settings import DBSettings
    from pgqueuer.models import Job, QueueStatistics

QUEUE_ROLE = "mentalspace_queue"
QUEUE_SCHEMA = "queue"
# 30 s, the library's default, delays the pick-up of a dead worker's wake-up by as much.
_DEQUEUE_TIMEOUT = timedelta(seconds=2)
_HEARTBEAT_TIMEOUT = timedelta(seconds=5)
_BATCH = 10
_RESTART_AFTER_S = 1.0

log = get_logger(__name__)

Handler = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class WakeUp:
    """`key` keeps at most one such wake-up outstanding; higher `priority` goes first."""

    kind: str
    payload: str
    key: str
    priority: int


def load_library() -> None:
    """A third of a second of processor: a process that serves spends it as it starts, and a
    command that queues nothing never does."""
    import pgqueuer.adapters.persistence.queries
    import pgqueuer.core.qm  # noqa: F401


def _settings() -> DBSettings:
    from pgqueuer.domain.settings import DBSettings

    return DBSettings(db_schema=QUEUE_SCHEMA)


def _driver(connection: asyncpg.Connection[Any]) -> AsyncpgDriver:
    from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver

    return AsyncpgDriver(connection)


def _queries(driver: AsyncpgDriver) -> Queries:
    from pgqueuer.adapters.persistence.qb import (
        QueryBuilderEnvironment,
        QueryQueueBuilder,
        QuerySchedulerBuilder,
    )
    from pgqueuer.adapters.persistence.queries import Queries

    settings = _settings()
    return Queries(
        driver,
        qbe=QueryBuilderEnvironment(settings),
        qbq=QueryQueueBuilder(settings),
        qbs=QuerySchedulerBuilder(settings),
    )


async def install_queue(admin: asyncpg.Connection[Any]) -> None:
    """Create or upgrade the queue's schema, and the one role that may use it."""
    queries = _queries(_driver(admin))
    if await queries.schema_is_installed():
        await queries.upgrade()
    else:
        await queries.install()
    await admin.execute(
        f"""
        do $$ begin
          if not exists (select from pg_roles where rolname = '{QUEUE_ROLE}') then
            create role {QUEUE_ROLE} nologin;
          end if;
        end $$;
        grant usage on schema {QUEUE_SCHEMA} to {QUEUE_ROLE};
        grant select, insert, update, delete on all tables in schema {QUEUE_SCHEMA} to {QUEUE_ROLE};
        grant usage on all sequences in schema {QUEUE_SCHEMA} to {QUEUE_ROLE};
        """
    )


async def _connect(url: str) -> asyncpg.Connection[Any]:
    return await asyncpg.connect(
        url,
        server_settings={
            "role": QUEUE_ROLE,
            "search_path": f"{QUEUE_SCHEMA}, pg_catalog",
            "application_name": "mentalspace-queue",
        },
    )


class Queue:
    """The sending side: one connection, reopened when it has broken."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._turn = asyncio.Lock()  # a connection answers one question at a time
        self._connection: asyncpg.Connection[Any] | None = None

    async def enqueue(self, wakeups: list[WakeUp]) -> int:
        """Queue those whose key is not waiting already; how many were new."""
        if not wakeups:
            return 0
        async with self._turn:
            ids = await _queries(_driver(await self._live())).enqueue(
                [w.kind for w in wakeups],
                [w.payload.encode() for w in wakeups],
                [w.priority for w in wakeups],
                dedupe_key=[w.key for w in wakeups],
                on_conflict="skip",
            )
        return sum(1 for job_id in ids if job_id is not None)

    async def depth(self) -> int:
        """Wake-ups waiting or being worked on."""
        return sum(size.count for size in await self._sizes())

    async def is_crowded(self) -> bool:
        """Whether wake-ups wait that nobody has taken yet."""
        return any(size.status == "queued" and size.count for size in await self._sizes())

    async def _sizes(self) -> list[QueueStatistics]:
        async with self._turn:
            return await _queries(_driver(await self._live())).queue_size()

    async def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._connection.close(timeout=2)
        self._connection = None

    async def _live(self) -> asyncpg.Connection[Any]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await _connect(self._url)
        return self._connection


async def run_queue(
    url: str, handlers: Mapping[str, Handler], *, stop: asyncio.Event, at_once: int = 20
) -> None:
    """Work until `stop`, starting the consumer anew whenever PostgreSQL was away.

    After `stop` it finishes the wake-ups in hand and returns.
    """
    while not stop.is_set():
        try:
            await _consume(url, handlers, stop, at_once)
        except (Exception, BaseExceptionGroup) as error:
            log.warning("queue_restarting", error=type(error).__name__)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _RESTART_AFTER_S)


async def _consume(
    url: str, handlers: Mapping[str, Handler], stop: asyncio.Event, at_once: int
) -> None:
    from pgqueuer.core.qm import QueueManager

    connection = await _connect(url)
    try:
        driver = _driver(connection)
        manager = QueueManager(_queries(driver), channel=_settings().channel)
        for kind, handler in handlers.items():
            _register(manager, kind, handler)
        running = asyncio.create_task(
            manager.run(
                dequeue_timeout=_DEQUEUE_TIMEOUT,
                heartbeat_timeout=_HEARTBEAT_TIMEOUT,
                batch_size=_BATCH,
                max_concurrent_tasks=max(at_once, 2 * _BATCH),
                shutdown_on_listener_failure=True,
            )
        )
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            manager.shutdown.set()
            await running
        finally:
            stopping.cancel()
            if not running.done():
                running.cancel()
    finally:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.close(timeout=2)


def _register(manager: QueueManager, kind: str, handler: Handler) -> None:
    @manager.entrypoint(kind, on_failure="hold")
    async def _(job: Job) -> None:
        # A wake-up is only a hint. One that failed and stayed would keep its key, and with it
        # every later wake-up of the lane, out; what it left undone stands in the ledger.
        try:
            await handler((job.payload or b"").decode())
        except Exception as error:
            log.error("wakeup_failed", wakeup=kind, error=type(error).__name__)
