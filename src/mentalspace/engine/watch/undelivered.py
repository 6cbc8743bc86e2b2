"""Rules on what a provider took and then did not bring: so many people in a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.person import PERSON
from mentalspace.engine.runbook import AlertRule, RoomRunbook
from mentalspace.engine.watch.look import Look, Subject, ids, nothing

# What ended since the last message that arrived; one that arrives is the end of the row. $2 are the
# cases that are the recipients' own, $3 those that the rule counts, if not all; $4 seconds back.
# Of a rule that counts despite arrivals ($5 is its id) the row ends where a person closed its
# incident: one document that arrives whole says nothing of another that did not.
_ENDED = f"""
select c.id as credential_id, arrived.ended_at as arrived_at, n.*
  from credential c
 cross join lateral (select app.now() - $4 * interval '1 s' as since) window_
  left join lateral (
    select d.ended_at from delivery d
     where d.credential_id = c.id and d.status = 'delivered' and d.ended_at > window_.since
       and d.drill is not distinct from c.drill
     order by d.ended_at desc limit 1) arrived on $5::text is null
  left join lateral (
    select max(i.resolved_at) as at from incident i
     where i.rule_id = $5 and i.credential_id = c.id) closed on true
 cross join lateral (
    select count(*) as deliveries, count(distinct d.recipient_key) as recipients,
           count(distinct {PERSON}) as people,
           min(d.ended_at) as since, mode() within group (order by d.last_case) as case_id
      from delivery d
     where d.credential_id = c.id and d.status = 'failed' and d.accepted_at is not null
       and d.ended_at > greatest(arrived.ended_at, closed.at, window_.since)
       and d.drill is not distinct from c.drill
       and coalesce(d.last_case <> all ($2), true)
       and ($3::text[] is null or d.last_case = any ($3))) n
 where c.id = any ($1)
"""


async def look_at_undelivered(
    connection: Connection, room: RoomRunbook, rule: AlertRule, subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    rows = await connection.fetch(
        _ENDED, ids(subjects), list(room.recipient_cases), list(rule.cases) or None, rule.window_s,
        rule.id if rule.despite_arrivals else None,
    )  # fmt: skip
    faults = {case.id: case.fault.value for case in room.cases}
    return {row["credential_id"]: _look(rule, row, faults) for row in rows}


def _look(rule: AlertRule, row: Any, faults: Mapping[str, str]) -> Look:
    deliveries, recipients = row["deliveries"], row["recipients"]
    if not deliveries:
        if row["arrived_at"] is None and not rule.despite_arrivals:
            return nothing("nothing has arrived or failed to of late")
        return Look(0.0, False, f"none {_since(rule)}")
    persons = row["people"]
    people = "1 person" if persons == 1 else f"{persons} people"
    streak = min(deliveries, recipients)
    return Look(
        value=float(streak),
        fires=streak >= (1 if rule.threshold is None else rule.threshold),
        seen=f"{deliveries} taken and not brought {_since(rule)}, to {people}",
        since=row["since"],
        fault=rule.fault.value if rule.fault else faults.get(row["case_id"] or "", "theirs"),
        case_id=row["case_id"],
        facts={"failed_deliveries": deliveries, "failed_recipients": persons},
    )


def _since(rule: AlertRule) -> str:
    return "of late" if rule.despite_arrivals else "since the last that arrived"
