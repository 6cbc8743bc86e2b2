"""How long each of the last days' messages took until the provider had them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from mentalspace.console.chart import Took
from mentalspace.console.queries.doctor import DAYS
from mentalspace.engine.db import Connection

_TOOK = """
select day::date as day, count(d.id) as n,
       percentile_cont(array[0.5, 0.95]) within group
         (order by greatest(extract(epoch from d.accepted_at - d.due_at), 0)::float8) as spread
  from generate_series(date_trunc('day', app.now()) - ($2 - 1) * interval '1 day',
                       date_trunc('day', app.now()), interval '1 day') as day
  left join delivery d on d.credential_id = any ($1) and d.drill is null
   and d.accepted_at is not null
   and coalesce(d.accepted_at, d.ended_at) >= day
   and coalesce(d.accepted_at, d.ended_at) < day + interval '1 day'
 group by 1 order by 1
"""


async def read_took(connection: Connection, credential_ids: Sequence[UUID]) -> list[Took]:
    """Oldest first, in UTC days, from when a message was due. Runs as on-call."""
    rows = await connection.fetch(_TOOK, list(credential_ids), DAYS)
    return [Took(row["day"], row["n"], *(row["spread"] or (None, None))) for row in rows]
