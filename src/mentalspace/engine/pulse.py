"""A loop's pulse: it beats only after the work was done, so that a loop that fails falls silent."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import asyncpg

from mentalspace.engine.db import Connection, Database
from mentalspace.engine.log import get_logger
from mentalspace.engine.standstill import OUTSIDE

BEAT_EVERY_S = 5.0
# After so long without a beat a loop is silent. A restart of the worker takes a few seconds.
SILENT_AFTER_S = 60.0

# The loops that must not fall silent, and what it means for people if one does.
LOOPS: Mapping[str, str] = MappingProxyType(
    {
        "worker": "The worker is silent: nothing is sent and nothing is received",
        "dispatch": "The dispatcher is silent: what is due is not sent",
        "evaluate": "The evaluator is silent: no rule is looked at, no incident opens",
        "page": "The pager is silent: nobody is paged",
    }
)

# Nobody who beats or watches waits longer: for a lock, or for an answer.
LOCKED_AFTER_S = 2.0
ANSWERS_WITHIN_S = 5.0
LOCKED = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)

log = get_logger(__name__)

_BEAT = """
insert into pulse (name) values ($1) on conflict (name) do update set beat_at = clock_timestamp()
"""
# On the house's clock, by which incidents are told.
_SILENT = """
select name, app.now() - (clock_timestamp() - beat_at) as since from (
  select name, beat_at from pulse
  union all
  select 'worker', max(beat_at) from heartbeat where kind = 'worker' having count(*) > 0
) beats where name = any ($1) and beat_at < clock_timestamp() - $2 * interval '1 s'
 order by array_position($1, name)
"""

# A turn may take long. A loop of a living process that has not turned well for so much longer than
# one is due hangs, or fails each time.
HANGS_AFTER_S = 180.0
# So soon it is shown to whoever looks, though nobody is paged yet. Some turns take long and are
# well: one that fails is shown sooner.
_FAILS_SHOWN_AFTER_S = 15.0
_HANGS_SHOWN_AFTER_S = 60.0
_STALLED = """
select *, app.now() - idle_s * interval '1 s' as began_at from (
  select h.process, h.kind, h.host, h.pid, l.key as name, h.started_at,
         coalesce((l.value ->> 'well_at')::timestamptz, h.started_at) as since,
         extract(epoch from clock_timestamp()
           - coalesce((l.value ->> 'well_at')::timestamptz, h.started_at))::float8 as idle_s,
         coalesce((l.value ->> 'every_s')::float8, 0) as every_s,
         coalesce((l.value ->> 'failures')::int, 0) as failures, l.value ->> 'error' as error,
         (l.value ->> 'failed_at')::timestamptz as failed_at, l.value ->> 'waits' as waits,
         (l.value ->> 'turn_at')::timestamptz as turn_at
    from heartbeat h cross join jsonb_each(h.loops) l
   where h.beat_at > clock_timestamp() - interval '10 s') turning
 where idle_s > $1 + every_s order by kind, started_at, idle_s desc
"""
# Who waits in the database, and who is in the way: see engine_0040.sql.
_LOCK_WAITS = "select * from app.lock_waits() order by waits_s desc, held_s desc"
# Who holds a whole table, others waiting or not: see engine_0048.sql.
_TABLE_LOCKS = "select * from app.table_locks() order by held_s desc nulls last"
_HEARTBEATS = ("pulse", "heartbeat")


@dataclass(frozen=True, slots=True)
class Stalled:
    """A loop of a living process that has not turned well since `since`, which is `began_at` on the
    house's clock. `error` is its last failure, at `failed_at`, of any time; `waits` is what its
    turn waits for, if it does. Both name nobody."""

    process: str
    kind: str
    host: str
    pid: int
    name: str
    since: datetime
    began_at: datetime
    idle_s: float
    every_s: float
    failures: int
    error: str | None
    failed_at: datetime | None
    waits: str | None
    turn_at: datetime | None

    @property
    def waits_outside(self) -> bool:
        """Whether somebody else’s answer is all it waits for."""
        return self.waits is not None and self.waits.startswith(OUTSIDE)

    @property
    def fails(self) -> bool:
        """Its turns end, and badly; else one does not end."""
        return self.failures > 0

    @property
    def why(self) -> str:
        """`hangs for 240 s; it waits for the database, in dispatch.dispatch`."""
        verb = (
            f"failed {self.failures} times in a row and not turned well" if self.fails else "hangs"
        )
        said = f"its loop {self.name} {'has ' if self.fails else ''}{verb} for {self.idle_s:.0f} s"
        waits = f"; it waits for {self.waits}" if self.waits else ""
        return f"{said}{waits}{f'; last error {self.error}' if self.error else ''}"

    @property
    def is_long(self) -> bool:
        """For so long that somebody is paged."""
        return self.idle_s > HANGS_AFTER_S + self.every_s


@dataclass(frozen=True, slots=True)
class LockWait:
    """A backend of the database that waits for a lock, and one that holds it. Queries are shapes:
    no value stands in them."""

    waiter: int
    waits_as: str
    waits_s: float | None
    waiting_query: str
    holder: int
    held_by: str
    holder_state: str
    held_s: float | None
    holder_query: str


@dataclass(frozen=True, slots=True)
class TableLock:
    """A backend that keeps others from a table; a prepared transaction has none."""

    relation: str
    holder: int | None
    held_by: str
    held_as: str
    held_from: str
    holder_state: str
    held_s: float | None
    holder_query: str

    @property
    def key(self) -> str:
        """Whose lock it is; of a prepared transaction what it keeps."""
        return str(self.holder or self.relation)

    @property
    def words(self) -> str:
        """`table pulse locked by pid 4711, application psql (idle in transaction)`."""
        if self.holder is None:
            return f"table {self.relation} locked by {self.holder_state}"
        by = f"pid {self.holder}, application {self.held_by or 'without a name'}"
        return f"table {self.relation} locked by {by} ({self.holder_state})"


async def bound_waits(connection: Connection, lock_s: float = LOCKED_AFTER_S) -> None:
    """For the rest of its transaction whatever takes too long raises one of `LOCKED`."""
    await connection.execute(
        f"set local lock_timeout = {lock_s * 1000:.0f};"
        f" set local statement_timeout = {ANSWERS_WITHIN_S * 1000:.0f}"
    )


async def stalled_loops(connection: Connection, after_s: float = HANGS_AFTER_S) -> list[Stalled]:
    """Those of living processes that hang, or fail each time; the longest first in each."""
    rows = await connection.fetch(_STALLED, after_s)
    return [Stalled(**{name: row[name] for name in Stalled.__dataclass_fields__}) for row in rows]


async def faltering_loops(connection: Connection) -> list[Stalled]:
    """Those that whoever looks is shown, before anybody is paged of them."""
    return [
        one
        for one in await stalled_loops(connection, _FAILS_SHOWN_AFTER_S)
        if one.fails or one.idle_s > _HANGS_SHOWN_AFTER_S + one.every_s
    ]


async def lock_waits(connection: Connection) -> list[LockWait]:
    """The longest waiting first; mostly none. As the dispatcher or on-call."""
    return [LockWait(**dict(row)) for row in await connection.fetch(_LOCK_WAITS)]


async def table_locks(connection: Connection) -> list[TableLock]:
    """Who keeps others from our tables, the longest first; asked without touching one. As the
    dispatcher or on-call."""
    return [TableLock(**dict(row)) for row in await connection.fetch(_TABLE_LOCKS)]


async def heartbeat_locks(connection: Connection) -> list[TableLock]:
    """Who keeps the heartbeats from being read or written."""
    return [one for one in await table_locks(connection) if one.relation in _HEARTBEATS]


def beating(
    database: Database, name: str, work: Callable[[], Awaitable[object]]
) -> Callable[[], Awaitable[object]]:
    """The same work, after which the loop's pulse beats; at most every few seconds.

    A pulse whose table is locked is no reason to stop the work: the watchman tells of the lock.
    """
    beaten_at = 0.0

    async def worked() -> object:
        nonlocal beaten_at
        result = await work()
        if time.monotonic() - beaten_at >= BEAT_EVERY_S:
            try:
                async with database.as_dispatcher() as connection:
                    await bound_waits(connection)
                    await connection.execute(_BEAT, name)
            except LOCKED as error:
                log.error("pulse_not_written", kind=name, error=type(error).__name__)
            beaten_at = time.monotonic()
        return result

    return worked


async def last_looked(connection: Connection) -> datetime | None:
    """When the rules were last looked at, on the house's clock."""
    at: datetime | None = await connection.fetchval(
        "select app.now() - (clock_timestamp() - beat_at) from pulse where name = 'evaluate'"
    )
    return at


async def silent_loops(
    connection: Connection, after_s: float = SILENT_AFTER_S
) -> Mapping[str, datetime]:
    """Those that have beaten once and no more, each with its last beat; the worst first."""
    rows = await connection.fetch(_SILENT, list(LOOPS), after_s)
    return {row["name"]: row["since"] for row in rows}
