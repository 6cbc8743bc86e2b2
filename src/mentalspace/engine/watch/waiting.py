"""Rules on what waits though its time has come, nothing stands in its way, and nobody takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import AlertRule, RoomRunbook
from mentalspace.engine.watch.look import Look, Subject, ids

# What has come due, in or out of a worker's hands, and what nobody has even marked as due. What was
# tried already waits for its next try; a lane that stands still and a breaker that is open have
# rules of their own. What waits is read once: while all lanes stand still, which is all that is
# known of them for a while after they run again, it looks cheaper to read it for each of them.
_WAITING = """
with d as materialized (
  select credential_id, lane_id, due_at from delivery
   where credential_id = any ($1) and status in ('due', 'sending') and attempts = 0
     and due_at <= app.now() - $2 * interval '1 s'
   union all
  select credential_id, lane_id, due_at from delivery
   where status = 'pending' and attempts = 0 and credential_id = any ($1)
     and next_attempt_at <= app.now() - $2 * interval '1 s'
     and due_at <= app.now() - $2 * interval '1 s'
)
select d.credential_id, count(*) as waiting, min(d.due_at) as oldest_at
  from d join lane l on l.id = d.lane_id and l.state = 'open'
  join credential_state s on s.credential_id = d.credential_id and s.breaker = 'closed'
 group by d.credential_id
"""


async def look_at_waiting(
    connection: Connection, _room: RoomRunbook, rule: AlertRule, subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    longest_s = 1800.0 if rule.threshold is None else rule.threshold
    now = {subject.credential_id: subject.now for subject in subjects}
    quiet = Look(0.0, False, f"nothing waits for {longest_s / 60:g} min")
    looks = dict.fromkeys(now, quiet)
    for row in await connection.fetch(_WAITING, ids(subjects), longest_s):
        waited_s = (now[row["credential_id"]] - row["oldest_at"]).total_seconds()
        looks[row["credential_id"]] = Look(
            value=waited_s,
            n=row["waiting"],
            fires=waited_s >= longest_s,
            seen=f"{row['waiting']} wait, the oldest for {waited_s / 60:.0f} min",
            since=row["oldest_at"],
            fault=rule.fault.value if rule.fault else "ours",
            facts={"waiting": row["waiting"]},
        )
    return looks
