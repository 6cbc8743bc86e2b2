"""Rules on a share: beyond the line and beyond chance, with one state for each credential."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from mentalspace.engine.chance import is_unlikely
from mentalspace.engine.db import Connection
from mentalspace.engine.incidents import NewIncident, note_recovery, open_incident
from mentalspace.engine.rates import Reading, read_rates
from mentalspace.engine.runbook import AlertRule, Escalation, Op, Overview

# How often a rule looks, by the length of its window: nothing moves faster than that.
_LOOKS = 720
_SOONEST_S = 5.0
_LATEST_S = 300.0

# A drill's credential is looked at every time: its rule must fire within the drill.
_DUE = """
select c.id as credential_id, c.practice_id, c.endpoint, c.provider, c.drill,
       s.last_good_at, a.state, a.since, i.id as incident_id, i.recovered_at,
       extract(epoch from app.now() - a.since)::float8 as in_state_s, app.now() as now
  from credential c join credential_state s on s.credential_id = c.id
  left join alert_state a on a.key = $2 || ':' || c.id
  left join incident i on i.key = $2 || ':' || c.id and i.status <> 'resolved'
 where c.integration = $1 and c.active
   and (c.drill is not null or a.checked_at is null
        or a.checked_at <= app.now() - $3 * interval '1 s')
"""
_KEEP = """
insert into alert_state (key, rule_id, state, since, checked_at, detail)
values ($1, $2, $3, app.now(), app.now(), $4)
on conflict (key) do update set state = excluded.state, checked_at = excluded.checked_at,
  detail = excluded.detail,
  since = case when alert_state.state = excluded.state then alert_state.since else app.now() end
"""
# Whose most of the failures of a window were, as the attempts' cases say.
_WHOSE = """
select fault, case_id from attempt
 where credential_id = $1 and fault in ('ours', 'theirs')
   and finished_at > app.now() - $2 * interval '1 s'
 group by fault, case_id order by count(*) desc limit 1
"""
_SUCCESSES = """
select count(*) from attempt
 where credential_id = $1 and state = 'succeeded' and finished_at > $2
"""


class State(StrEnum):
    NORMAL = "normal"
    ALERTING = "alerting"
    RECOVERING = "recovering"
    NO_DATA = "no_data"


@dataclass(frozen=True, slots=True)
class Past:
    """Where a rule stood: its state and for how long, whether an incident of it is still open
    and unrecovered, and the successes since the state began."""

    state: State | None
    for_s: float
    incident_open: bool
    successes: int


def fires(rule: AlertRule, reading: Reading) -> bool:
    """Beyond the rule's line, and less likely than one in a thousand at the metric's target."""
    if reading.value is None or rule.threshold is None:
        return False
    below = rule.op is Op.BELOW
    if reading.value >= rule.threshold if below else reading.value <= rule.threshold:
        return False
    target = reading.metric.target
    healthy = 1.0 - target if reading.metric.op is Op.ABOVE else target
    return is_unlikely(reading.bad, reading.n, healthy)


def next_state(rule: AlertRule, reading: Reading, past: Past) -> State:
    """Silence is a state of its own and never recovery; recovery takes its hold and successes."""
    if reading.value is None:
        return State.NO_DATA
    if fires(rule, reading):
        return State.ALERTING
    if not past.incident_open:
        return State.NORMAL
    held = past.state is State.RECOVERING and past.for_s >= rule.hold_s
    return State.NORMAL if held and past.successes >= rule.resolves_after else State.RECOVERING


def rate_text(facts: Mapping[str, Any]) -> str | None:
    """`Bounce rate 37.5% of 8 in the last 24 h, target 2%`, from a rate's incident; else None."""
    if "metric" not in facts:
        return None
    return (
        f"{facts['metric']} {facts['value'] * 100:.3g}% of {facts['n']:,} in the last "
        f"{facts['window_s'] / 3600:g} h, target {facts['target'] * 100:g}%"
    )


async def evaluate_rate(
    connection: Connection,
    overview: Overview,
    rule: AlertRule,
    recipient_cases: Collection[str],
    escalation: Escalation,
) -> int:
    """Judge the rule for every credential whose turn it is; how many incidents were opened."""
    every_s = min(max(rule.window_s / _LOOKS, _SOONEST_S), _LATEST_S)
    due = await connection.fetch(_DUE, overview.room, rule.id, every_s)
    if not due:
        return 0
    readings = await _read(connection, overview, rule, recipient_cases, due)
    opened = 0
    for row in due:
        reading = readings[row["credential_id"]]
        state = next_state(rule, reading, await _past(connection, row))
        if row["drill"] is None:
            await _keep(connection, rule, row["credential_id"], state, reading)
        if state is State.ALERTING:
            new = await _incident(connection, overview, rule, row, reading)
            opened += await open_incident(connection, escalation, new)
        elif state is State.NORMAL and row["incident_id"] and row["recovered_at"] is None:
            await note_recovery(connection, row["incident_id"], rule.resolves_after, row["drill"])
    return opened


async def _read(
    connection: Connection,
    overview: Overview,
    rule: AlertRule,
    recipient_cases: Collection[str],
    due: Sequence[Any],
) -> dict[UUID, Reading]:
    ids = [row["credential_id"] for row in due]
    metric = overview.metric(rule.metric)
    assert metric is not None, f"{rule.id} watches no metric; `runbook check` says so"
    rates = await read_rates(
        connection, overview, recipient_cases, ids, [rule.window_s], only=metric
    )
    return {each: rates.reading(metric.id, each, rule.window_s) for each in ids}


async def _past(connection: Connection, row: Any) -> Past:
    state = State(row["state"]) if row["state"] else None
    open_ = row["incident_id"] is not None and row["recovered_at"] is None
    successes = 0
    if open_ and state is State.RECOVERING:
        successes = await connection.fetchval(_SUCCESSES, row["credential_id"], row["since"])
    return Past(state, row["in_state_s"] or 0.0, open_, successes)


async def _keep(
    connection: Connection, rule: AlertRule, credential_id: UUID, state: State, reading: Reading
) -> None:
    detail = {"hits": reading.hits, "bad": reading.bad, "n": reading.n, "value": reading.value}
    await connection.execute(_KEEP, f"{rule.id}:{credential_id}", rule.id, state.value, detail)


async def _incident(
    connection: Connection, overview: Overview, rule: AlertRule, row: Any, reading: Reading
) -> NewIncident:
    whose = None
    if rule.fault is None:
        whose = await connection.fetchrow(_WHOSE, row["credential_id"], rule.window_s)
    # Taken, and failed afterwards without an attempt of ours: the provider said so itself.
    fault = rule.fault.value if rule.fault else whose["fault"] if whose else "theirs"
    last_good: datetime | None = row["last_good_at"]
    return NewIncident(
        key=f"{rule.id}:{row['credential_id']}",
        rule_id=rule.id,
        case_id=whose["case_id"] if whose else None,
        integration=overview.room,
        credential_id=row["credential_id"],
        practice_id=row["practice_id"],
        severity=rule.severity,
        title=rule.title,
        fault=fault,
        since=reading.first_bad_at or row["now"],
        facts={
            "metric": reading.metric.title,
            "bad": reading.bad,
            "n": reading.n,
            "value": reading.value,
            "target": reading.metric.target,
            "window_s": rule.window_s,
            "last_good_at": last_good.isoformat() if last_good else None,
            "provider": row["provider"],
            "endpoint": row["endpoint"],
            "first_step": rule.action,
        },
        drill=row["drill"],
    )
