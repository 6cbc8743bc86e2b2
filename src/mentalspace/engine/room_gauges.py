"""What rooms measure themselves: written by a room's chore, read by rules, pages and the doctor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.runbook.overview import Metric, Op, Overview

# What was measured longer ago says nothing of now.
FRESH_S = 900.0

_KEEP = """
with given as (
  select * from jsonb_to_recordset($3::jsonb) as g (
    practice_id uuid, metric text, subject text, value float8, n bigint, bad bigint, seen text)
), gone as (
  delete from room_gauge r where r.integration = $1 and r.drill = $2 and not exists (
    select from given g where g.practice_id = r.practice_id and g.metric = r.metric
       and g.subject = r.subject)
)
insert into room_gauge (practice_id, integration, metric, subject, value, n, bad, seen, drill)
select practice_id, $1, metric, subject, value, n, bad, seen, $2 from given
on conflict (practice_id, integration, metric, subject, drill) do update set
  value = excluded.value, n = excluded.n, bad = excluded.bad, seen = excluded.seen,
  measured_at = app.now()
"""
_READ = """
select practice_id, metric, subject, value, n, bad, seen, measured_at from room_gauge
 where integration = $1 and drill = ''
   and measured_at > app.now() - $2 * interval '1 s'
 order by metric, subject, practice_id
"""


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure of one practice. Of a share `bad` of `n` are on the side that is kept small;
    without a `value` there is too little to judge by, and `seen` says so. `subject` is a bucket or
    a size: it names nobody."""

    practice_id: UUID
    metric: str
    subject: str
    value: float | None
    seen: str
    n: int = 0
    bad: int | None = None
    measured_at: datetime | None = None

    def on_target(self, metric: Metric) -> bool | None:
        """None where there is too little to say."""
        if self.value is None:
            return None
        return self.value > metric.target if metric.op is Op.ABOVE else self.value < metric.target


async def keep_gauges(
    connection: Connection, integration: str, gauges: Sequence[Gauge], *, drill: str = ""
) -> None:
    """All that the room has to say; what it said before and says no more is gone. Runs as the
    dispatcher; twice is no mistake."""
    given = [
        {
            "practice_id": str(gauge.practice_id),
            "metric": gauge.metric,
            "subject": gauge.subject,
            "value": gauge.value,
            "n": gauge.n,
            "bad": gauge.bad,
            "seen": gauge.seen,
        }
        for gauge in gauges
    ]
    await connection.execute(_KEEP, integration, drill, given)


async def read_gauges(connection: Connection, integration: str) -> list[Gauge]:
    """As whoever may see them: staff their practice's, on-call everybody's. Drills' are left
    out."""
    return [_gauge(row) for row in await connection.fetch(_READ, integration, FRESH_S)]


def worst_of(overview: Overview, gauges: Sequence[Gauge]) -> list[tuple[Metric, Gauge]]:
    """In the overview's order; of several practices' figures of one subject the one that is
    furthest on the bad side."""
    found: dict[tuple[str, str], tuple[Metric, Gauge]] = {}
    for metric in overview.metrics:
        for gauge in gauges if metric.gauge else ():
            if gauge.metric != metric.id:
                continue
            known = found.get((metric.id, gauge.subject))
            if known is None or _badness(metric, gauge) > _badness(metric, known[1]):
                found[metric.id, gauge.subject] = (metric, gauge)
    return list(found.values())


def worst_of_each(overview: Overview, gauges: Sequence[Gauge]) -> list[tuple[Metric, Gauge]]:
    """The same with one subject of each metric, the worst."""
    found: dict[str, tuple[Metric, Gauge]] = {}
    for metric, gauge in worst_of(overview, gauges):
        known = found.get(metric.id)
        if known is None or _badness(metric, gauge) > _badness(metric, known[1]):
            found[metric.id] = (metric, gauge)
    return list(found.values())


def _badness(metric: Metric, gauge: Gauge) -> float:
    """More is worse, whichever side is the bad one; what says nothing is least."""
    if gauge.value is None:
        return float("-inf")
    return -gauge.value if metric.op is Op.ABOVE else gauge.value


def _gauge(row: Any) -> Gauge:
    return Gauge(
        row["practice_id"],
        row["metric"],
        row["subject"],
        row["value"],
        row["seen"],
        row["n"],
        row["bad"],
        row["measured_at"],
    )
