"""What may page soon: rules that hold and are not yet told, and those on their way there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mentalspace.engine.chance import is_unlikely
from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import AlertKind, AlertRule, AlertState, RoomRunbook, Runbooks
from mentalspace.engine.watch.rate import healthy_failures
from mentalspace.engine.watch.state import State

# Fewer may be anything.
_FEWEST = 2
_COUNTED = (
    AlertKind.CONSECUTIVE,
    AlertKind.UNDELIVERED,
    AlertKind.REFUSED,
    AlertKind.CASE,
    AlertKind.CALLBACKS,
)
_SHARES = (AlertKind.RATE, AlertKind.BURN)
_WAITED = (AlertKind.QUEUE_AGE, AlertKind.BREAKER)
# From this part of its line on a wait is told of.
_FROM = 1 / 3
# Nobody reads on; and no more of anything could alert than this.
_MOST = 200
# What has an incident stands above; what is on its way is of the others.
_READ = """
select a.rule_id, a.credential_id, a.integration, a.state, a.since, a.detail,
       p.name as practice_name, c.provider, c.endpoint, app.now() as now
  from alert_state a join credential c on c.id = a.credential_id
  join practice p on p.id = a.practice_id
 where c.active and c.drill is null and not p.is_drill and a.rule_id = any ($1)
   and (a.state in ('pending', 'error')
     or a.state = 'normal' and coalesce((a.detail ->> 'bad')::float8, 0) >= $3
     or a.state = 'normal' and a.rule_id = any ($2)
        and coalesce((a.detail ->> 'value')::float8, 0) >= $3)
   and (a.state <> 'normal' or not exists (
     select from incident i where i.credential_id = a.credential_id and i.status <> 'resolved'
        and i.recovered_at is null and i.drill is null))
 order by a.state = 'normal', a.since desc limit $4
"""


@dataclass(frozen=True, slots=True)
class Brewing:
    """A rule with a credential. `holds` if it alerts unless that ends before `alerts_at`; else it
    is on its way. `so_far` is a count beside the line: `4 of 10 in a row`. `seen` names nobody."""

    rule: AlertRule
    credential_id: UUID
    integration: str
    provider: str
    endpoint: str
    practice_name: str
    state: State
    since: datetime
    seen: str
    so_far: str | None
    alerts_at: datetime | None

    @property
    def holds(self) -> bool:
        return self.state is State.PENDING


async def read_brewing(connection: Connection, runbooks: Runbooks) -> list[Brewing]:
    """Those that hold first, then by how soon they alert. As whoever asks sees credentials."""
    rules = {
        rule.id: (room, rule)
        for room in runbooks.rooms
        for rule in room.overview.alerts
        if rule.state is AlertState.LIVE
    }
    counted = [r.id for _room, r in rules.values() if r.kind in (*_COUNTED, *_WAITED)]
    rows = await connection.fetch(_READ, list(rules), counted, float(_FEWEST), _MOST)
    found = [_brewing(*rules[row["rule_id"]], row) for row in rows]
    return sorted((one for one in found if one is not None), key=_soonest)


def _soonest(one: Brewing) -> tuple[bool, bool, float]:
    late = one.alerts_at is None
    return not one.holds, late, one.alerts_at.timestamp() if one.alerts_at else 0.0


def _brewing(room: RoomRunbook, rule: AlertRule, row: Any) -> Brewing | None:
    state = State(row["state"])
    so_far, alerts_at = _progress(room, rule, row)
    if state is State.PENDING:
        alerts_at = row["since"] + timedelta(seconds=rule.pending_s)
    elif state is State.NORMAL and so_far is None:
        return None
    return Brewing(
        rule=rule,
        credential_id=row["credential_id"],
        integration=row["integration"],
        provider=row["provider"],
        endpoint=row["endpoint"],
        practice_name=row["practice_name"],
        state=state,
        since=row["since"],
        seen=row["detail"].get("seen", ""),
        so_far=so_far,
        alerts_at=alerts_at,
    )


def _progress(room: RoomRunbook, rule: AlertRule, row: Any) -> tuple[str | None, datetime | None]:
    """How much of what the rule asks for is there, and when the rest is if nothing changes; None
    where it is no more than nothing."""
    value, detail = row["detail"].get("value"), row["detail"]
    if value is None:
        return None, None
    if rule.kind in _COUNTED and rule.threshold:
        return f"{value:.0f} of {rule.threshold:.0f}", None
    if rule.kind in _WAITED and rule.threshold:
        if value < rule.threshold * _FROM:
            return None, None
        left = timedelta(seconds=max(0.0, rule.threshold - value) + rule.pending_s)
        return f"{value / 60:.0f} of {rule.threshold / 60:.0f} min", row["now"] + left
    if rule.kind in _SHARES and "bad" in detail:
        return _share(room, rule, int(detail["bad"]), int(detail["n"])), None
    return None, None


def _share(room: RoomRunbook, rule: AlertRule, bad: int, n: int) -> str | None:
    """So many bad ones of so many are chance; with how many they would not be."""
    metric = room.overview.metric(rule.metric)
    if metric is None or not n:
        return None
    healthy = healthy_failures(rule, metric)
    if bad <= 2 * healthy * n:
        return None
    needed = next((k for k in range(bad, n + 1) if is_unlikely(k, n, healthy)), None)
    return f"{bad} of {n} failed; {needed} of them alert" if needed and needed > bad else None
