"""A share over a long window still counts what a person has closed: that alone opens nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.rates import read_rates
from mentalspace.engine.rates_sql import GROWN_AFTER_S
from mentalspace.engine.runbook import AlertKind, AlertRule, Measure, RoomRunbook
from mentalspace.engine.watch.look import Subject, ids

# Closed within the window ($3), and none of it is open.
_CLOSED = """
select credential_id, extract(epoch from app.now() - max(resolved_at))::float8 as closed_s
  from incident i
 where rule_id = $1 and credential_id = any ($2) and drill is null
 group by credential_id
having bool_and(status = 'resolved') and max(resolved_at) > app.now() - $3 * interval '1 s'
"""


async def find_old(
    connection: Connection, room: RoomRunbook, rule: AlertRule, alerting: Sequence[Subject]
) -> Collection[UUID]:
    """Of what alerts by a share: credentials whose incident was closed, with nothing bad since. A
    drill's rule is to fire, whatever fired before."""
    metric = room.overview.metric(rule.metric)
    real = [subject for subject in alerting if subject.drill is None]
    if rule.kind is not AlertKind.RATE or metric is None or not real:
        return ()
    rows = await connection.fetch(_CLOSED, rule.id, ids(real), rule.window_s)
    # What was too young to be judged when it was closed is news.
    unjudged_s = 0.0 if metric.measure is Measure.OPT_OUT_RATE else GROWN_AFTER_S
    old: set[UUID] = set()
    for row in rows:
        id_, span_s = row["credential_id"], max(row["closed_s"] + unjudged_s, 1.0)
        rates = await read_rates(
            connection, room.overview, room.recipient_cases, [id_], [span_s], only=metric
        )
        if not rates.reading(metric.id, id_, span_s).bad:
            old.add(id_)
    return old
