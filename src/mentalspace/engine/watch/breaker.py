"""Rules on a breaker that has not closed again for too long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import AlertRule, RoomRunbook
from mentalspace.engine.watch.look import Look, Subject, ids, nothing

_BREAKERS = """
select credential_id, breaker, opened_at, override_until > app.now() as by_hand
  from credential_state where credential_id = any ($1)
"""


async def look_at_breakers(
    connection: Connection, _room: RoomRunbook, rule: AlertRule, subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    now = {subject.credential_id: subject.now for subject in subjects}
    rows = await connection.fetch(_BREAKERS, ids(subjects))
    return {row["credential_id"]: _look(rule, row, now[row["credential_id"]]) for row in rows}


def _look(rule: AlertRule, row: Any, now: Any) -> Look:
    if row["by_hand"]:
        return nothing("a person has set it by hand")
    if row["breaker"] == "closed" or row["opened_at"] is None:
        return Look(0.0, False, "closed")
    open_s = (now - row["opened_at"]).total_seconds()
    return Look(
        value=open_s,
        fires=open_s >= (600.0 if rule.threshold is None else rule.threshold),
        seen=f"open for {open_s / 60:.0f} min",
        since=row["opened_at"],
        fault=rule.fault.value if rule.fault else "theirs",
        facts={"open_s": round(open_s)},
    )
