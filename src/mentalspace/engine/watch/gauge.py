"""Rules on what a room measures itself: beyond the line, and of a share beyond chance as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from mentalspace.engine.chance import is_unlikely
from mentalspace.engine.db import Connection
from mentalspace.engine.room_gauges import FRESH_S
from mentalspace.engine.runbook import AlertRule, Metric, Op, RoomRunbook
from mentalspace.engine.watch.look import Look, Subject, ids, nothing
from mentalspace.engine.watch.rate import healthy_failures

# A figure is its practice's, not a credential's: of several the first one tells of it. Of a
# practice that has none the first of the whole room does, or a full disk and lost bytes would be
# told nobody; it bears no name, for it stands with another practice.
_GAUGES = """
with first as materialized (
  select distinct on (c.drill) c.id from credential c join practice p on p.id = c.practice_id
   where c.integration = $4 and c.active
   order by c.drill, p.is_default desc, p.slug, c.rank, c.id
)
select c.id as credential_id, g.value, g.n, g.bad, g.seen,
       case when g.practice_id = c.practice_id then g.subject
            else g.subject || ' of practice ' || left(g.practice_id::text, 8) end as subject
  from credential c
  join room_gauge g on g.integration = c.integration and (g.practice_id = c.practice_id
    or c.id in (select id from first) and not exists (
      select from credential o where o.practice_id = g.practice_id
         and o.integration = g.integration and o.active and o.drill is not distinct from c.drill))
   and g.drill = coalesce(c.drill, '') and g.metric = $2
   and g.measured_at > app.now() - $3 * interval '1 s'
 where c.id = any ($1) and not exists (
   select from credential o
    where o.practice_id = c.practice_id and o.integration = c.integration and o.active
      and o.drill is not distinct from c.drill and (o.rank, o.id) < (c.rank, c.id))
 order by subject
"""


async def look_at_gauges(
    connection: Connection, room: RoomRunbook, rule: AlertRule, subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    metric = room.overview.metric(rule.metric)
    assert metric is not None, f"{rule.id} watches no metric; `runbook check` says so"
    looks = dict.fromkeys(ids(subjects), nothing("not measured lately"))
    for row in await connection.fetch(_GAUGES, ids(subjects), metric.id, FRESH_S, room.room):
        look = _look(rule, metric, row)
        if _is_worse(rule, look, looks[row["credential_id"]]):
            looks[row["credential_id"]] = look
    return looks


def is_beyond(
    rule: AlertRule, metric: Metric, value: float | None, n: int, bad: int | None
) -> bool:
    """Beyond the line, of no less than the floor; and of a share, less likely than one in a
    thousand at the metric's target."""
    if value is None or rule.threshold is None or n < rule.floor:
        return False
    if value >= rule.threshold if rule.op is Op.BELOW else value <= rule.threshold:
        return False
    return bad is None or is_unlikely(bad, n, healthy_failures(rule, metric))


def _look(rule: AlertRule, metric: Metric, row: Any) -> Look:
    facts: dict[str, Any] = {"subject": row["subject"], "n": row["n"]}
    if row["bad"] is not None:
        facts["bad"] = row["bad"]
    return Look(
        value=row["value"],
        n=row["n"],
        fires=is_beyond(rule, metric, row["value"], row["n"], row["bad"]),
        seen=f"{row['subject']}: {row['seen']}",
        fault=rule.fault.value if rule.fault else "ours",
        facts=facts,
    )


def _is_worse(rule: AlertRule, one: Look, other: Look) -> bool:
    if one.fires != other.fires or one.value is None or other.value is None:
        return one.fires or other.value is None
    return one.value < other.value if rule.op is Op.BELOW else one.value > other.value
