"""Rules on what failed since the last success: so many people in a row, or a named case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from mentalspace.engine.cause import LATER
from mentalspace.engine.db import Connection
from mentalspace.engine.person import PERSON
from mentalspace.engine.queued import RESTS
from mentalspace.engine.runbook import AlertKind, AlertRule, RoomRunbook
from mentalspace.engine.watch.look import Look, Subject, ids, nothing

# With nothing tried for so long, no news is not good news.
QUIET_AFTER = timedelta(days=1)
# One refusal amid an outage does not make the outage ours; so many at the end do.
STEADY = 3

# Everything since the last success that was not the recipient's doing. Retries of one delivery
# count once, and so do several to one address. Behind an open breaker nothing is even tried:
# whoever is due there is as much without it as those whose attempts failed. Where the latest try
# went well there is no streak, and nothing more is read: that is nearly everybody. Who only rests
# until their hours begin keeps a streak alive, so that no night ends it, and is not touched by it.
_STREAKS = f"""
select c.id as credential_id, latest.finished_at as tried_at, streak.since, streak.case_id,
       streak.fault, streak.faults, streak.deliveries as failed,
       streak.deliveries + waiting.deliveries as deliveries,
       streak.recipients + waiting.recipients as recipients,
       streak.deliveries + waiting.touched_deliveries as touched_deliveries,
       streak.people + waiting.touched_people as touched_people,
       asked.good as check_good, asked.case_id as check_case, asked.fault as check_fault,
       asked.since as check_since, asked.said as check_said,
       greatest(s.others, s.others_before) as taken_by_others, s.named_limit
  from credential c join credential_state s on s.credential_id = c.id
  left join credential_check asked on asked.credential_id = c.id
   and asked.answered_at > coalesce(s.last_good_at, '-infinity')
  left join lateral (
    select a.finished_at, a.state from attempt a
     where a.credential_id = c.id and a.state <> 'open'
     order by a.finished_at desc limit 1) latest on true
  left join lateral (
    select a.finished_at from attempt a
     where latest.state <> 'succeeded' and a.credential_id = c.id and a.state = 'succeeded'
     order by a.finished_at desc limit 1) good on true
 cross join lateral (
    select count(distinct ad.delivery_id) as deliveries,
           count(distinct d.recipient_key) as recipients,
           array_agg(distinct d.recipient_key) as addresses,
           count(distinct {PERSON}) as people, array_agg(distinct {PERSON}) as persons,
           min(a.started_at) as since,
           (array_agg(a.case_id order by {LATER}, a.finished_at desc))[1] as case_id,
           (array_agg(a.fault order by {LATER}, a.finished_at desc))[1] as fault,
           (array_agg(a.fault order by {LATER}, a.finished_at desc))[:{STEADY}] as faults
      from attempt a join attempt_delivery ad on ad.attempt_id = a.id
      join delivery d on d.id = ad.delivery_id
     where latest.state <> 'succeeded'
       and a.credential_id = c.id and a.fault in ('ours', 'theirs')
       and a.finished_at > coalesce(good.finished_at, '-infinity')
       and ($2::text[] is null or a.case_id = any ($2))) streak
 cross join lateral (
    select count(distinct d.recipient_key) as recipients, count(distinct d.id) as deliveries,
           count(distinct d.id) filter (where not {RESTS}) as touched_deliveries,
           count(distinct {PERSON}) filter (where not {RESTS} and {PERSON} <> all (streak.persons))
             as touched_people
      from delivery d
     where d.credential_id = c.id and s.breaker <> 'closed'
       and d.status in ('pending', 'due', 'unknown') and d.due_at <= app.now()
       and d.recipient_key <> all (streak.addresses)) waiting
 where c.id = any ($1)
"""


async def look_at_streaks(
    connection: Connection, room: RoomRunbook, rule: AlertRule, subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    rows = await connection.fetch(_STREAKS, ids(subjects), list(rule.cases) or None)
    now = {subject.credential_id: subject.now for subject in subjects}
    return {row["credential_id"]: _look(room, rule, row, now[row["credential_id"]]) for row in rows}


def holds(rule: AlertRule, deliveries: int, recipients: int) -> bool:
    """As many messages as the rule says; a streak must be of as many people as well."""
    threshold = 1 if rule.threshold is None else rule.threshold
    streak = deliveries if rule.kind is AlertKind.CASE else min(deliveries, recipients)
    return streak >= threshold


def _look(room: RoomRunbook, rule: AlertRule, row: Any, now: Any) -> Look:
    if not row["failed"] and rule.kind is AlertKind.CASE and row["check_case"] in rule.cases:
        return _of_check(row)
    if not row["failed"]:
        if row["tried_at"] is None or row["tried_at"] < now - QUIET_AFTER:
            return nothing("nothing was tried within a day")
        return Look(0.0, False, "none since the last success")
    deliveries, recipients = row["deliveries"], row["recipients"]
    failed, touched = row["touched_deliveries"], row["touched_people"]
    people = "1 person" if touched == 1 else f"{touched} people"
    return Look(
        value=float(deliveries if rule.kind is AlertKind.CASE else min(deliveries, recipients)),
        fires=holds(rule, deliveries, recipients),
        seen=f"{failed} failed since the last success, to {people}",
        since=row["since"],
        fault=row["fault"] or "unclear",
        case_id=row["case_id"],
        facts={
            "failed_deliveries": failed,
            "failed_recipients": touched,
            **_taken_by_others(room, row),
        },
        steady=row["faults"] == [row["fault"]] * STEADY,
    )


def _taken_by_others(room: RoomRunbook, row: Any) -> dict[str, Any]:
    """Of what its provider says we send too fast, and names a limit: how much of that others had,
    by what it last said was left."""
    case = next((case for case in room.cases if case.id == row["case_id"]), None)
    if case is None or not row["taken_by_others"] or not row["named_limit"]:
        return {}
    if all(step.do != "slow_lane" for step in case.steps):
        return {}
    return {"taken_by_others": row["taken_by_others"], "named_limit": row["named_limit"]}


def _of_check(row: Any) -> Look:
    """No message met it: its provider was asked before one did, or since."""
    if row["check_good"]:
        return Look(0.0, False, "answers our own check again")
    return Look(
        value=1.0,
        fires=True,
        seen=f"{row['check_said']}; found by our own check at {row['check_since']:%H:%M} UTC,"
        " before a message met it",
        since=row["check_since"],
        fault=row["check_fault"],
        case_id=row["check_case"],
        facts={"failed_deliveries": 0, "failed_recipients": 0},
    )
