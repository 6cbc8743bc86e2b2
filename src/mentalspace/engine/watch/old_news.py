"""A share over a long window still counts what a person has closed: that alone opens nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
# Of these nothing waits until it can be judged: a message is slow, or not, when it is taken.
_JUDGED_AT_ONCE = (Measure.OPT_OUT_RATE, Measure.SLOW_RATE)

# Of those, where a budget of failed tries burns: whether any failed after it was closed. A row of
# failures needs none: nothing has gone well since.
_FAILED_SINCE = """
select c.id from unnest($1::uuid[], $2::float8[]) as c (id, closed_s)
 where exists (select from attempt a where a.credential_id = c.id and a.drill is null
     and a.fault in ('ours', 'theirs')
     and a.finished_at > app.now() - c.closed_s * interval '1 s')
"""


async def find_old(
    connection: Connection, room: RoomRunbook, rule: AlertRule, alerting: Sequence[Subject]
) -> Collection[UUID]:
    """Of what alerts by a share: credentials whose incident was closed, with nothing bad since. A
    drill's rule is to fire, whatever fired before."""
    real = [subject for subject in alerting if subject.drill is None]
    if not real or rule.kind not in (AlertKind.RATE, AlertKind.BURN):
        return ()
    window_s = max(rule.window_s, *(window.long_s for window in rule.windows), 0.0)
    rows = await connection.fetch(_CLOSED, rule.id, ids(real), window_s)
    closed_s = {row["credential_id"]: max(row["closed_s"], 1.0) for row in rows}
    if rule.kind is AlertKind.RATE:
        return await _old_shares(connection, room, rule, closed_s)
    rows = await connection.fetch(_FAILED_SINCE, list(closed_s), list(closed_s.values()))
    return closed_s.keys() - {row["id"] for row in rows}


async def _old_shares(
    connection: Connection, room: RoomRunbook, rule: AlertRule, closed_s: Mapping[UUID, float]
) -> Collection[UUID]:
    metric = room.overview.metric(rule.metric)
    if metric is None:
        return ()
    # What was too young to be judged when it was closed is news.
    unjudged_s = 0.0 if metric.measure in _JUDGED_AT_ONCE else GROWN_AFTER_S
    old: set[UUID] = set()
    for id_, closed in closed_s.items():
        span_s = closed + unjudged_s
        rates = await read_rates(
            connection, room.overview, room.recipient_cases, [id_], [span_s], only=metric
        )
        if not rates.reading(metric.id, id_, span_s).bad:
            old.add(id_)
    return old
