"""How each of the last days' messages ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from mentalspace.console.chart import Bucket, Day
from mentalspace.engine.db import Connection

DAYS = 14

_DAYS = """
with days as materialized (
  select day from generate_series(date_trunc('day', app.now()) - ($3 - 1) * interval '1 day',
                                  date_trunc('day', app.now()), interval '1 day') as day
)
select days.day::date as day, n.*
  from days cross join lateral (
    select count(*) filter (where d.status in ('delivered', 'accepted')) as good,
           count(*) filter (where d.status = 'bounced' or d.last_case = any ($2)
             and d.status in ('refused', 'failed', 'expired')) as recipient,
           count(*) filter (where d.status in ('refused', 'failed', 'expired')
             and not coalesce(d.last_case = any ($2), false)) as bad
      from delivery d
     where d.credential_id = any ($1) and d.drill is null
       and coalesce(d.accepted_at, d.ended_at) >= days.day
       and coalesce(d.accepted_at, d.ended_at) < days.day + interval '1 day') n
 order by days.day
"""


async def read_days(
    connection: Connection, credential_ids: Sequence[UUID], recipient_cases: Collection[str]
) -> list[Day]:
    """Oldest first, in UTC days, also those on which nothing was sent. Runs as on-call."""
    rows = await connection.fetch(_DAYS, list(credential_ids), list(recipient_cases), DAYS)
    return [Day(row["day"], Bucket(row["good"], row["recipient"], row["bad"])) for row in rows]
