"""Rules on a provider that takes messages and no longer says what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import AlertRule, RoomRunbook
from mentalspace.engine.watch.look import Look, Subject, ids, nothing

# Only for who was called back before; of all others nothing is read. What is younger than the
# window may still be spoken of.
_SILENT = """
select c.id as credential_id, heard.at as heard_at, n.taken, n.since
  from credential c
  left join lateral (
    select i.received_at as at from inbox i where i.credential_id = c.id
     order by i.received_at desc limit 1) heard on true
 cross join lateral (
    select count(*) as taken, min(d.accepted_at) as since from delivery d
     where heard.at is not null and d.credential_id = c.id and d.accepted_at is not null
       and coalesce(d.accepted_at, d.ended_at)
           > greatest(heard.at, app.now() - interval '7 days')
       and coalesce(d.accepted_at, d.ended_at) <= app.now() - $2 * interval '1 s') n
 where c.id = any ($1) and c.follows
"""


async def look_at_callbacks(
    connection: Connection, _room: RoomRunbook, rule: AlertRule, subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    rows = await connection.fetch(_SILENT, ids(subjects), rule.window_s)
    looks = {each: nothing("its provider never calls back") for each in ids(subjects)}
    return looks | {row["credential_id"]: _look(rule, row) for row in rows}


def _look(rule: AlertRule, row: Any) -> Look:
    if row["heard_at"] is None:
        return nothing("no callback has come yet")
    taken = row["taken"]
    return Look(
        value=float(taken),
        fires=taken >= (3 if rule.threshold is None else rule.threshold),
        seen=f"{taken} taken since the last callback, over {rule.window_s / 60:g} min ago",
        since=row["since"],
        fault=rule.fault.value if rule.fault else "unclear",
        facts={"taken": taken, "heard_at": row["heard_at"].isoformat()},
    )
