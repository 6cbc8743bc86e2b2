"""A loop's pulse: it beats only after the work was done, so that a loop that fails falls silent."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

from mentalspace.engine.db import Connection, Database

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

_BEAT = """
insert into pulse (name) values ($1) on conflict (name) do update set beat_at = clock_timestamp()
"""
_SILENT = """
select name from (
  select name, beat_at from pulse
  union all
  select 'worker', max(beat_at) from heartbeat where kind = 'worker' having count(*) > 0
) beats where name = any ($1) and beat_at < clock_timestamp() - $2 * interval '1 s'
 order by array_position($1, name)
"""

# A turn may take long. A loop of a living process whose turn has not ended for so much longer than
# one is due hangs; one that fails each time does turn, and its log says why it fails.
HANGS_AFTER_S = 180.0
_HANGING = """
select h.process, h.kind, h.host, h.pid, l.key as name,
       extract(epoch from clock_timestamp()
         - coalesce((l.value ->> 'well_at')::timestamptz, h.started_at))::float8 as idle_s
  from heartbeat h cross join jsonb_each(h.loops) l
 where h.beat_at > clock_timestamp() - interval '10 s'
   and coalesce((l.value ->> 'well_at')::timestamptz, h.started_at)
       < clock_timestamp() - ($1 + coalesce((l.value ->> 'every_s')::float8, 0)) * interval '1 s'
   and coalesce((l.value ->> 'failures')::int, 0) = 0
 order by h.kind, h.started_at, idle_s desc
"""


async def hanging_loops(connection: Connection, after_s: float = HANGS_AFTER_S) -> list[Any]:
    """Loops of living processes that do not turn: process, kind, host, pid, name, idle_s."""
    return list(await connection.fetch(_HANGING, after_s))


def beating(
    database: Database, name: str, work: Callable[[], Awaitable[object]]
) -> Callable[[], Awaitable[object]]:
    """The same work, after which the loop's pulse beats; at most every few seconds."""
    beaten_at = 0.0

    async def worked() -> object:
        nonlocal beaten_at
        result = await work()
        if time.monotonic() - beaten_at >= BEAT_EVERY_S:
            async with database.as_dispatcher() as connection:
                await connection.execute(_BEAT, name)
            beaten_at = time.monotonic()
        return result

    return worked


async def silent_loops(connection: Connection, after_s: float = SILENT_AFTER_S) -> list[str]:
    """Those that have beaten once and no more, the worst first."""
    rows = await connection.fetch(_SILENT, list(LOOPS), after_s)
    return [row["name"] for row in rows]
