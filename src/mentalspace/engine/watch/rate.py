"""Rules on a share: beyond the line, and beyond chance at the metric's target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from mentalspace.engine.chance import is_unlikely
from mentalspace.engine.db import Connection
from mentalspace.engine.rates import Reading, read_rates
from mentalspace.engine.runbook import AlertRule, Metric, Op, RoomRunbook
from mentalspace.engine.watch.late import when_late
from mentalspace.engine.watch.look import Look, Subject, ids, nothing
from mentalspace.engine.watch.streak import STEADY
from mentalspace.kernel.case import Fault

# Whose most of the failures of a window were, as the attempts' cases say, and that of what our own
# rules refused untried ($3 the cases and $4 whose each is). What fails now says more than what
# failed for longer and is over: three of the last quarter of an hour come first.
_WHOSE = f"""
with failed as (
  select credential_id, fault, case_id, finished_at as at from attempt
   where credential_id = any ($1) and fault in ('ours', 'theirs')
     and finished_at > app.now() - $2 * interval '1 s'
  union all
  select d.credential_id, known.fault, known.id, d.ended_at from delivery d
    join unnest($3::text[], $4::text[]) as known (id, fault) on known.id = d.last_case
   where d.credential_id = any ($1) and d.status = 'refused' and d.accepted_at is null
     and d.ended_at > app.now() - $2 * interval '1 s'
     and not exists (select from attempt_delivery ad where ad.delivery_id = d.id)
)
select distinct on (credential_id) credential_id, fault, case_id
  from (select credential_id, fault, case_id, count(*) as number,
               count(*) filter (where at > app.now() - interval '15 min') as lately
          from failed group by credential_id, fault, case_id) counted
 order by credential_id, case when lately >= {STEADY} then lately else 0 end desc, number desc,
          case_id
"""


def fires(rule: AlertRule, reading: Reading) -> bool:
    """Beyond the rule's line, and less likely than one in a thousand at the metric's target."""
    return beyond(rule, reading) and is_unlikely(
        reading.bad, reading.n, healthy_failures(rule, reading.metric)
    )


def beyond(rule: AlertRule, reading: Reading) -> bool:
    """Beyond the rule's line, be it by chance. An incident that was opened lasts so long: four of
    thirty who want no more are the same trouble when there are forty, and when a fifth comes."""
    if reading.value is None or rule.threshold is None:
        return False
    below = rule.op is Op.BELOW
    return reading.value < rule.threshold if below else reading.value > rule.threshold


def healthy_failures(rule: AlertRule, metric: Metric) -> float:
    """The share that fails while all is as well as the rule assumes."""
    healthy = metric.target if rule.healthy is None else rule.healthy
    return 1.0 - healthy if metric.op is Op.ABOVE else healthy


async def look_at_rates(
    connection: Connection, room: RoomRunbook, rule: AlertRule, subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    metric = room.overview.metric(rule.metric)
    assert metric is not None, f"{rule.id} watches no metric; `runbook check` says so"
    rates = await read_rates(
        connection, room.overview, room.recipient_cases, ids(subjects), [rule.window_s], only=metric
    )
    readings = {each: rates.reading(metric.id, each, rule.window_s) for each in ids(subjects)}
    ill = [each for each, reading in readings.items() if fires(rule, reading)]
    whose = await faults_of(connection, room, rule, ill, rule.window_s)
    late = await when_late(connection, room.overview, metric, ill, rule.window_s)
    return {
        each: _look(rule, reading, whose.get(each), late.get(each, {}))
        if reading.n
        else nothing("nothing to count")
        for each, reading in readings.items()
    }


async def faults_of(
    connection: Connection,
    room: RoomRunbook,
    rule: AlertRule,
    ill: Sequence[UUID],
    window_s: float,
) -> Mapping[UUID, tuple[str, str | None]]:
    """Whose it is and by which case, for those that are ill; as the rule says, if it does."""
    if rule.fault is not None or not ill:
        return {}
    known = [case for case in room.cases if case.fault is not Fault.RECIPIENT]
    rows = await connection.fetch(
        _WHOSE,
        list(ill),
        window_s,
        [case.id for case in known],
        [case.fault.value for case in known],
    )
    return {row["credential_id"]: (row["fault"], row["case_id"]) for row in rows}


def _look(
    rule: AlertRule,
    reading: Reading,
    whose: tuple[str, str | None] | None,
    late: Mapping[str, str],
) -> Look:
    # Taken, and failed afterwards without an attempt of ours: the provider said so itself.
    fault, case_id = (rule.fault.value, None) if rule.fault else whose or ("theirs", None)
    return Look(
        value=reading.value,
        n=reading.n,
        fires=fires(rule, reading),
        lingers=beyond(rule, reading),
        seen=reading.text,
        since=reading.first_bad_at,
        fault=fault,
        case_id=case_id,
        facts={
            "metric": reading.metric.title,
            "bad": reading.bad,
            "n": reading.n,
            "value": reading.value,
            "target": reading.metric.target,
            "window_s": rule.window_s,
            **late,
        },
    )
