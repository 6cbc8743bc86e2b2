"""What every long-lived process does: beat its heart, and repeat its work until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from mentalspace.engine.db import CONNECTION_LOST, Database
from mentalspace.engine.log import get_logger
from mentalspace.engine.loops import Loops
from mentalspace.engine.pulse import bound_waits
from mentalspace.kernel.clock import OffsetClock

BEAT_EVERY_S = 1.0
# One whose heart has been silent for so long is dead or deaf.
DEAD_AFTER_S = 4.0
FORGET_AFTER_S = 3600.0

log = get_logger(__name__)


def process_name(kind: str) -> str:
    """Unique even if the machine hands out the same pid again."""
    return f"{kind}:{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


async def repeat(
    name: str,
    every_s: float,
    work: Callable[[], Awaitable[object]],
    stop: asyncio.Event,
    loops: Loops | None = None,
) -> None:
    """Do `work` every so often until `stop`; a database that is away is waited for. How each turn
    went is noted in `loops`."""
    loops = loops or Loops()
    loops.begins(name, every_s)
    while not stop.is_set():
        began = time.monotonic()
        loops.turns(name)
        try:
            await work()
        except CONNECTION_LOST as error:
            loops.failed(name, error)
            log.warning("loop_waits", kind=name, error=type(error).__name__)
        except Exception as error:
            loops.failed(name, error)
            log.error("loop_failed", kind=name, error=type(error).__name__)
        else:
            loops.went_well(name, time.monotonic() - began)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every_s)


async def beat(database: Database, name: str, kind: str, loops: Loops | None = None) -> None:
    """Say that this process lives, and how its loops fare. The instant is real, whatever the demo's
    clock shows. It does not wait for a lock: the next beat tries again."""
    async with database.as_dispatcher() as connection:
        await bound_waits(connection)
        await connection.execute(
            "insert into heartbeat (process, kind, host, pid, loops) values ($1, $2, $3, $4, $5)"
            " on conflict (process) do update set beat_at = clock_timestamp(),"
            " loops = excluded.loops",
            name,
            kind,
            socket.gethostname(),
            os.getpid(),
            (loops or Loops()).to_json(),
        )
        await connection.execute(
            "delete from heartbeat where beat_at < clock_timestamp() - $1 * interval '1 s'",
            FORGET_AFTER_S,
        )


async def follow_clock(database: Database, clock: OffsetClock) -> None:
    """Take over the installation's offset, which a demo may have moved."""
    async with database.as_door() as connection:
        offset: timedelta = await connection.fetchval("select clock_offset from app.clock")
    clock.offset = offset
