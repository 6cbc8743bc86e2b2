"""Rules on what our own rules refuse, for everybody: so many people in a row, and nobody tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.person import PERSON
from mentalspace.engine.runbook import AlertRule, RoomRunbook
from mentalspace.engine.watch.look import Look, Subject, ids, nothing
from mentalspace.kernel.case import ErrorCase
from mentalspace.kernel.integration import TEST_MODE

# Refused here since the last message that a provider took; one that is taken is the end of the row.
# $2 are the rule's cases, $3 seconds back, $4 those of the room by which a credential is for tests:
# of these it is known who switched that on, and when.
_REFUSED = f"""
select c.id as credential_id, good.finished_at as good_at, n.*, begun.*
  from credential c
 cross join lateral (select app.now() - $3 * interval '1 s' as since) window_
  left join lateral (
    select a.finished_at from attempt a
     where a.credential_id = c.id and a.state = 'succeeded' and a.finished_at > window_.since
     order by a.finished_at desc limit 1) good on true
 cross join lateral (
    select count(*) as deliveries, count(distinct d.recipient_key) as recipients,
           count(distinct {PERSON}) as people,
           min(d.ended_at) as since, mode() within group (order by d.last_case) as case_id
      from delivery d
     where d.credential_id = c.id and d.status = 'refused' and d.accepted_at is null
       and d.ended_at > greatest(good.finished_at, window_.since)
       and d.drill is not distinct from c.drill and d.last_case = any ($2)) n
  left join lateral (
    select * from app.test_mode_begun(c.id) where n.case_id = any ($4)) begun on true
 where c.id = any ($1)
"""
FIRST = (
    "ask them whether test mode is meant; unless it is, switch it off on the incident: nothing goes"
    " to whoever was refused"
)


async def look_at_refused(
    connection: Connection, room: RoomRunbook, rule: AlertRule, subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    tests = cases_of_tests(room.cases)
    rows = await connection.fetch(_REFUSED, ids(subjects), list(rule.cases), rule.window_s, tests)
    return {row["credential_id"]: _look(rule, row) for row in rows}


def cases_of_tests(cases: Sequence[ErrorCase]) -> list[str]:
    """By which a credential that is for tests refuses what would reach somebody."""
    return [case.id for case in cases if any(TEST_MODE in match.code for match in case.match)]


def _look(rule: AlertRule, row: Any) -> Look:
    deliveries, persons = row["deliveries"], row["people"]
    if not deliveries:
        if row["good_at"] is None:
            return nothing("nothing was sent or refused of late")
        return Look(0.0, False, "none since the last that was taken")
    streak = min(deliveries, row["recipients"])
    people = "1 person" if persons == 1 else f"{persons} people"
    return Look(
        value=float(streak),
        fires=streak >= (1 if rule.threshold is None else rule.threshold),
        seen=f"{deliveries} refused here since the last that was taken, to {people}",
        since=row["since"],
        fault="ours",
        case_id=row["case_id"],
        facts={"failed_deliveries": deliveries, "failed_recipients": persons, **_begun(row)},
        first_step=FIRST if row["began_at"] else None,
    )


def _begun(row: Any) -> Mapping[str, Any]:
    """Who switched test mode on and when, or how it was stored; nothing where nobody knows."""
    if row["began_at"] is None:
        return {}
    at, by = row["began_at"].isoformat(), row["began_by"]
    return {"test_mode": {"at": at, "by": by, "by_hand": row["by_hand"]}}
