"""Rules on a lane that waits for a person: news at once, however many stand in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.person import PERSON
from mentalspace.engine.queued import RESTS
from mentalspace.engine.runbook import AlertRule, RoomRunbook
from mentalspace.engine.watch.look import Look, Subject, ids

# What rests until its hours begin holds the rule up, so that no night ends it, and touches nobody.
_PAUSED = f"""
select l.credential_id, min(l.paused_at) as since, min(l.paused_case) as case_id,
       count(d.id) as all_due, count(d.id) filter (where not {RESTS}) as deliveries,
       count(distinct {PERSON}) filter (where not {RESTS}) as recipients
  from lane l
  left join delivery d on d.credential_id = l.credential_id and d.lane_id = l.id
   and d.status in ('pending', 'due', 'unknown') and d.due_at <= app.now()
 where l.credential_id = any ($1) and l.state = 'paused' and l.paused_case = any ($2)
 group by l.credential_id
"""
_NOT = Look(0.0, False, "no lane stands still")


async def look_at_pauses(
    connection: Connection, _room: RoomRunbook, rule: AlertRule, subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    looks = dict.fromkeys(ids(subjects), _NOT)
    for row in await connection.fetch(_PAUSED, ids(subjects), list(rule.cases)):
        waiting, people = row["deliveries"], row["recipients"]
        looks[row["credential_id"]] = Look(
            value=float(row["all_due"]),
            fires=row["all_due"] >= (1 if rule.threshold is None else rule.threshold),
            seen=f"{waiting} wait in a lane that stands still",
            since=row["since"],
            fault="ours",
            case_id=row["case_id"],
            facts={"failed_deliveries": waiting, "failed_recipients": people},
        )
    return looks
