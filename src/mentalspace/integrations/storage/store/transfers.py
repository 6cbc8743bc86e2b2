"""What goes in and out, counted: a line for each file that was carried, or was to be."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from mentalspace.engine.db import Connection, Database
from mentalspace.engine.log import get_logger

Way = Literal["up", "down"]
# Whose doing it is that a file was not carried: whoever asked for what may not be, the line
# between, or we.
Fault = Literal["none", "asker", "line", "ours"]

# Lines younger than this are kept one by one, for short spans; and how long hours are kept.
KEPT_APART_S = 2 * 3600.0
KEPT_DAYS = 400
# Nobody waits longer for a number.
_WITHIN_S = 5.0

_ADD = """
insert into storage.transfer (practice_id, bucket_id, way, outcome, fault, size_bytes, took_s)
values ($1, storage.known_bucket($2), $3, $4, $5, $6, $7)
"""
# Deleted and counted in one statement: nothing is lost or counted twice, whatever dies.
_FOLD = """
with old as (
  delete from storage.transfer where at < app.now() - $1 * interval '1 s' returning *
)
insert into storage.traffic (practice_id, hour, bucket_id, way, outcome, fault, size_class, drill,
                             number, size_bytes, took_s)
select practice_id, date_trunc('hour', at, 'UTC'), bucket_id, way, outcome, fault,
       storage.size_class(size_bytes), coalesce(drill, ''), count(*), sum(size_bytes), sum(took_s)
  from old group by 1, 2, 3, 4, 5, 6, 7, 8
on conflict (practice_id, hour, bucket_id, way, outcome, fault, size_class, drill)
do update set number = traffic.number + excluded.number,
  size_bytes = traffic.size_bytes + excluded.size_bytes, took_s = traffic.took_s + excluded.took_s
"""
_FORGET = """
delete from storage.traffic
 where hour < app.now() - $1 * interval '1 day'
    or drill <> '' and hour < app.now() - interval '2 days'
"""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Transfer:
    """`outcome` is `done`, `cut`, or the code of the answer; `size_bytes` what came through."""

    way: Way
    bucket: str
    size_bytes: int
    took_s: float
    outcome: str = "done"
    fault: Fault = "none"


async def count(connection: Connection, practice_id: UUID, transfer: Transfer) -> None:
    """In a transaction that goes on as the worker: it is counted if, and only if, that commits."""
    await connection.execute(
        _ADD,
        practice_id,
        transfer.bucket,
        transfer.way,
        transfer.outcome,
        transfer.fault,
        transfer.size_bytes,
        transfer.took_s,
    )


async def count_apart(database: Database, practice_id: UUID, transfer: Transfer) -> None:
    """One that has no transaction of its own. Never raises: whoever is being answered shall be."""
    try:
        async with asyncio.timeout(_WITHIN_S), database.as_worker(practice_id) as connection:
            await count(connection, practice_id, transfer)
    except Exception as error:
        log.warning("transfer_not_counted", practice_id=practice_id, error=type(error).__name__)


async def fold(database: Database, *, kept_apart_s: float = KEPT_APART_S) -> None:
    """Move what is old into hours, and forget what is very old. May run anywhere, at any time."""
    async with database.as_dispatcher() as connection:
        await connection.execute(_FOLD, kept_apart_s)
        await connection.execute(_FORGET, KEPT_DAYS)
