"""Asks each live rule of the runbooks whether it holds, for every credential it may hold for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.archive import bring_back
from mentalspace.engine.db import Connection, Database
from mentalspace.engine.grouping import sum_up
from mentalspace.engine.incidents import (
    NewIncident,
    note_recovery,
    open_incident,
    severity_of,
    version_of,
)
from mentalspace.engine.rate_alerts import evaluate_rate
from mentalspace.engine.runbook import AlertKind, AlertRule, AlertState, RoomRunbook, Runbooks

# One evaluator at a time, wherever it runs: whoever holds this for the length of a tick.
EVALUATION_LOCK = 7_235_661_043

# Everything since the last success that was not the recipient's doing. Retries of one delivery
# count once, and so do several to one person. Behind an open breaker nothing is even tried:
# whoever is due there is as much without it as those whose attempts failed.
_STREAKS = """
select c.id as credential_id, c.practice_id, c.endpoint, c.provider, c.drill,
       good.finished_at as last_good_at, streak.since, streak.case_id, streak.fault,
       streak.deliveries + waiting.deliveries as deliveries,
       streak.recipients + waiting.recipients as recipients
  from credential c join credential_state s on s.credential_id = c.id
  left join lateral (
    select a.finished_at from attempt a
     where a.credential_id = c.id and a.state = 'succeeded'
     order by a.finished_at desc limit 1) good on true
 cross join lateral (
    select count(distinct ad.delivery_id) as deliveries,
           count(distinct d.recipient_key) as recipients,
           array_agg(distinct d.recipient_key) as people,
           min(a.started_at) as since,
           (array_agg(a.case_id order by a.finished_at desc))[1] as case_id,
           (array_agg(a.fault order by a.finished_at desc))[1] as fault
      from attempt a join attempt_delivery ad on ad.attempt_id = a.id
      join delivery d on d.id = ad.delivery_id
     where a.credential_id = c.id and a.fault in ('ours', 'theirs')
       and a.finished_at > coalesce(good.finished_at, '-infinity')
       and ($2::text[] is null or a.case_id = any ($2))) streak
 cross join lateral (
    select count(distinct d.recipient_key) as recipients, count(distinct d.id) as deliveries
      from delivery d
     where d.credential_id = c.id and s.breaker <> 'closed'
       and d.status in ('pending', 'due', 'unknown') and d.due_at <= app.now()
       and d.recipient_key <> all (streak.people)) waiting
 where c.integration = $1 and c.active and streak.deliveries > 0
"""
# A lane that waits for a person is news at once, however many stand in it.
_PAUSED = """
select c.id as credential_id, c.practice_id, c.endpoint, c.provider, c.drill, s.last_good_at,
       min(l.paused_at) as since, min(l.paused_case) as case_id, 'ours' as fault,
       count(d.id) as deliveries, count(distinct d.recipient_key) as recipients
  from credential c join credential_state s on s.credential_id = c.id
  join lane l on l.credential_id = c.id and l.state = 'paused' and l.paused_case = any ($2)
  left join delivery d on d.lane_id = l.id and d.status in ('pending', 'due', 'unknown')
   and d.due_at <= app.now()
 where c.integration = $1 and c.active group by c.id, s.last_good_at
"""
# Deliveries that went since it opened and since anything failed: one failure begins anew.
_GOOD_SINCE = """
select count(*) from attempt join attempt_delivery ad on ad.attempt_id = attempt.id
 where credential_id = $1 and state = 'succeeded' and finished_at > $2
   and finished_at > coalesce((select max(finished_at) from attempt
                                where credential_id = $1 and fault in ('ours', 'theirs')),
                              '-infinity')
"""


@dataclass(frozen=True, slots=True)
class Evaluator:
    database: Database
    runbooks: Runbooks

    async def tick(self) -> int:
        """Evaluate every live rule; how many incidents were opened. Skips if another does it."""
        opened = 0
        async with self.database.as_dispatcher() as connection:
            if not await connection.fetchval(
                "select pg_try_advisory_xact_lock($1)", EVALUATION_LOCK
            ):
                return 0
            for room in self.runbooks.rooms:
                for rule in room.overview.alerts:
                    if rule.state is AlertState.LIVE:
                        opened += await self._evaluate(connection, room, rule)
            await _watch_recovery(connection, self.runbooks)
            await sum_up(connection)
            await bring_back(connection, self.runbooks.escalation)
        return opened

    async def _evaluate(self, connection: Connection, room: RoomRunbook, rule: AlertRule) -> int:
        escalation = self.runbooks.escalation
        if rule.kind is AlertKind.RATE:
            return await evaluate_rate(
                connection, room.overview, rule, room.recipient_cases, escalation
            )
        cases = list(rule.cases) or None
        opened = 0
        seen = _PAUSED if rule.kind is AlertKind.PAUSED else _STREAKS
        for row in await connection.fetch(seen, room.room, cases):
            if not _holds(rule, row):
                continue
            new = _incident(self.runbooks, room.room, rule, row)
            opened += await open_incident(connection, escalation, new)
        return opened


def _holds(rule: AlertRule, row: Any) -> bool:
    threshold = 1 if rule.threshold is None else rule.threshold
    if rule.kind in (AlertKind.CASE, AlertKind.PAUSED):
        return bool(row["deliveries"] >= threshold)
    return bool(min(row["deliveries"], row["recipients"]) >= threshold)


def _incident(runbooks: Runbooks, integration: str, rule: AlertRule, row: Any) -> NewIncident:
    since: datetime = row["since"]
    last_good: datetime | None = row["last_good_at"]
    credential_id: UUID = row["credential_id"]
    return NewIncident(
        key=f"{rule.id}:{credential_id}",
        rule_id=rule.id,
        case_id=row["case_id"],
        integration=integration,
        credential_id=credential_id,
        practice_id=row["practice_id"],
        severity=severity_of(runbooks, rule, row["case_id"]),
        title=rule.title,
        fault=row["fault"] or "unclear",
        since=since,
        facts={
            "failed_deliveries": row["deliveries"],
            "failed_recipients": row["recipients"],
            "last_good_at": last_good.isoformat() if last_good else None,
            "provider": row["provider"],
            "endpoint": row["endpoint"],
            "first_step": rule.action,
        },
        drill=row["drill"],
        case_version=version_of(runbooks, row["case_id"]),
    )


async def _watch_recovery(connection: Connection, runbooks: Runbooks) -> None:
    """An incident whose cause is gone says so; only a person closes it. A rate watches itself."""
    rows = await connection.fetch(
        "select id, rule_id, credential_id, opened_at, drill from incident"
        " where status <> 'resolved' and recovered_at is null and credential_id is not null"
    )
    for row in rows:
        try:
            rule = runbooks.alert(row["rule_id"])
        except LookupError:
            continue
        if rule.kind is AlertKind.RATE:
            continue
        good = await connection.fetchval(_GOOD_SINCE, row["credential_id"], row["opened_at"])
        if good >= rule.resolves_after:
            await note_recovery(connection, row["id"], good, row["drill"])
