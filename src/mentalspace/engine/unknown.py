"""What is unknown for long is shown to a person, though the provider goes on being asked.

It stays unknown: a batch can still be repeated whole, a callback still settles it, and nothing goes
a second time. Only a person hears of it, whoever else is down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record_all

# A person is to know of it within a quarter of an hour. Three minutes of that may pass before what
# a dead worker held is taken back.
SHOW_AFTER_S = 600.0

_SHOW = """
update delivery set unknown_shown = true where id in (
  select id from delivery where unknown_at <= app.now() - $1 * interval '1 s' and not unknown_shown
   order by unknown_at limit 500 for update skip locked)
returning id, practice_id, drill, extract(epoch from app.now() - unknown_at)::float8 as for_s
"""
_READ = """
select d.integration, c.provider, count(*) as number, min(d.unknown_at) as oldest_at,
       bool_or(s.breaker <> 'closed') as breaker_open, bool_or(l.state = 'paused') as paused
  from delivery d join credential c on c.id = d.credential_id join lane l on l.id = d.lane_id
  join credential_state s on s.credential_id = d.credential_id
 where d.unknown_at <= app.now() - $1 * interval '1 s' and d.drill is null
 group by 1, 2 order by 4
"""


@dataclass(frozen=True, slots=True)
class LongUnknown:
    """Deliveries by one provider that perhaps were sent. Nobody is asked while the breaker is open
    or a lane paused."""

    integration: str
    provider: str
    number: int
    oldest_at: datetime
    breaker_open: bool
    paused: bool


async def show_unknown(connection: Connection) -> None:
    """Write down, once each, which have been unknown for so long."""
    shown: dict[UUID, list[Any]] = {}
    for row in await connection.fetch(_SHOW, SHOW_AFTER_S):
        shown.setdefault(row["practice_id"], []).append(row)
    for practice_id, rows in shown.items():
        lines = [(row["id"], row["drill"], {"for_s": round(row["for_s"])}) for row in rows]
        await record_all(
            connection, "unknown_shown", practice_id=practice_id, lines=lines, actor="dispatcher"
        )


async def read_long_unknown(connection: Connection) -> Sequence[LongUnknown]:
    """Those that a person should know of, the longest unknown first."""
    rows = await connection.fetch(_READ, SHOW_AFTER_S)
    return [LongUnknown(**dict(row)) for row in rows]
