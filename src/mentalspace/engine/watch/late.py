"""When what came late had left: a share of late ones alone does not say when they were late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.rates_sql import SEND_S, SETTLED, WAY_S
from mentalspace.engine.runbook import Measure, Metric, Overview

# $2 seconds back, $3 how long is late.
_WHEN = """
select c.id as credential_id, n.* from credential c cross join lateral (
  select min({at}) as first_at, max({at}) as last_at from delivery d
   where d.credential_id = c.id and d.drill is not distinct from c.drill
     and {settled} > app.now() - $2 * interval '1 s' and {is_late}) n
 where c.id = any ($1)
"""
_BROUGHT = _WHEN.format(
    at="d.accepted_at", settled=SETTLED, is_late=f"d.status = 'delivered' and {WAY_S} > $3"
)
_TAKEN = _WHEN.format(
    at="d.due_at", settled=SETTLED, is_late=f"d.accepted_at is not null and {SEND_S} > $3"
)


async def when_late(
    connection: Connection,
    overview: Overview,
    metric: Metric,
    credential_ids: Sequence[UUID],
    window_s: float,
) -> Mapping[UUID, Mapping[str, str]]:
    """Facts of each: `late_were` sent, or due, from `late_from` to `late_to`; of a share of
    anything else none."""
    match metric.measure:
        case Measure.LATE_RATE:
            sql, late_s, were = _BROUGHT, metric.late_after_s, "sent"
        case Measure.SLOW_RATE:
            sql, late_s, were = _TAKEN, overview.target(Measure.SEND_TIME), "due"
        case _:
            return {}
    if not credential_ids:
        return {}
    rows = await connection.fetch(sql, list(credential_ids), window_s, late_s)
    return {
        row["credential_id"]: {
            "late_were": were,
            "late_from": row["first_at"].isoformat(),
            "late_to": row["last_at"].isoformat(),
        }
        for row in rows
        if row["first_at"] is not None
    }
