"""At most so many requests a second for each provider credential, whoever sends them.

One row per credential holds the next free slot (GCRA). Interactive lanes reserve the next slot
however far ahead it is; bulk lanes only one that is at hand, so nobody waits behind a backlog.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection, Database
from mentalspace.kernel.integration import LaneClass

# How far ahead a bulk lane may reserve: enough to lose no slot to a round trip.
AT_HAND_S = 0.2

# The slot is the row's next one, or as far back as the burst allows; the next comes an interval
# later. The interval is the credential's, or the slower one a 429 asked for, while that holds.
_RESERVE = """
update credential_state s
   set next_slot_at = greatest(
         s.next_slot_at,
         clock_timestamp() - (c.burst - 1)
           * app.slot_interval(c.rate_per_s, s.slow_until, s.slow_interval_s)
       ) + app.slot_interval(c.rate_per_s, s.slow_until, s.slow_interval_s)
  from credential c
 where c.id = s.credential_id and s.credential_id = $1
   and ($2 or s.next_slot_at <= clock_timestamp() + $3 * interval '1 s')
returning extract(epoch from s.next_slot_at
  - app.slot_interval(c.rate_per_s, s.slow_until, s.slow_interval_s) - clock_timestamp())::float8
"""
_WAIT = """
select extract(epoch from next_slot_at - clock_timestamp())::float8 from credential_state
 where credential_id = $1
"""


async def reserve_slot(
    database: Database, practice_id: UUID, credential_id: UUID, lane_class: LaneClass
) -> float:
    """The moment, in monotonic seconds, at which this request may leave."""
    while True:
        async with database.as_worker(practice_id) as connection:
            interactive = lane_class == "interactive"
            wait_s: float | None = await connection.fetchval(
                _RESERVE, credential_id, interactive, AT_HAND_S
            )
            if wait_s is not None:
                return time.monotonic() + max(0.0, wait_s)
            ahead_s: float | None = await connection.fetchval(_WAIT, credential_id)
        await asyncio.sleep(max(0.01, (ahead_s or 0.0) - AT_HAND_S))


async def keep_slot(leaves_at: float) -> None:
    """Sleep until the reserved moment."""
    await asyncio.sleep(max(0.0, leaves_at - time.monotonic()))


async def slow_down(
    connection: Connection, credential_id: UUID, *, per_s: float, for_s: float
) -> Any:
    """Obey a lower rate for a while: what the provider's 429 asked for."""
    return await connection.execute(
        "update credential_state set slow_until = clock_timestamp() + $2 * interval '1 s',"
        " slow_interval_s = 1 / $3::float8 where credential_id = $1",
        credential_id,
        for_s,
        per_s,
    )
