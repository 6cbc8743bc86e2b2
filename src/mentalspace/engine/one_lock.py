"""Several parts of the house that stand still behind one lock are one trouble: the first that tells
of it pages, and the others follow beneath it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.escalation import reopen
from mentalspace.engine.grouping import RANK
from mentalspace.engine.ledger import record
from mentalspace.engine.runbook import Escalation
from mentalspace.kernel.case import Severity

# Once a lock is gone each loop turns and each rule is judged within seconds.
FREE_AFTER_S = 60.0
# $1 whose lock it is (`TableLock.key`), $2 the one that tells of it as well.
_OTHERS = f"""
select i.id, i.status, i.acknowledged_at, i.acknowledged_by,
       {RANK.format("i.severity")} <= {RANK.format("mine.severity")} as is_as_grave
  from incident i join incident mine on mine.id = $2
 where i.facts ->> 'lock' = $1 and i.id <> mine.id and i.lead_id is null and i.drill is null
   and i.status <> 'resolved' and i.recovered_at is null
 order by i.opened_at, i.id for update of i
"""
_FOLLOW = """
update incident set lead_id = $2, status = $3, acknowledged_at = $4, acknowledged_by = $5,
       next_escalation_at = null, resolve_due_at = null, resolve_within_s = null
 where id = $1
"""
_BENEATH = """
update incident set lead_id = $2, next_escalation_at = null, resolve_due_at = null,
       resolve_within_s = null where id = any ($1)
"""
_LEFT = """
update incident i set lead_id = null
  from incident l
 where l.id = i.lead_id and l.integration = 'house' and i.integration = 'house'
   and l.rule_id <> 'house.restarts'
   and i.status <> 'resolved' and i.recovered_at is null
   and (l.status = 'resolved' or l.recovered_at < app.now() - $1 * interval '1 s')
returning i.id, i.severity
"""


async def follow_lock(connection: Connection, incident_id: UUID, lock: str) -> bool:
    """Whether it follows one that tells of the same lock, and is as grave; milder ones follow it
    instead."""
    others = await connection.fetch(_OTHERS, lock, incident_id)
    lead = next((one for one in others if one["is_as_grave"]), None)
    if lead is not None:
        whose = lead["status"], lead["acknowledged_at"], lead["acknowledged_by"]
        await connection.execute(_FOLLOW, incident_id, lead["id"], *whose)
        await _tell(connection, [incident_id])
        return True
    if others:
        milder = [one["id"] for one in others]
        await connection.execute(_BENEATH, milder, incident_id)
        await _tell(connection, milder)
    return False


async def leave_lock(connection: Connection, escalation: Escalation) -> None:
    """What stays though whom it followed has been over for a while is a trouble of its own: it is
    nobody's, and pages."""
    for row in await connection.fetch(_LEFT, FREE_AFTER_S):
        await _alone(connection, escalation, row)


async def _alone(connection: Connection, escalation: Escalation, row: Any) -> None:
    rung = escalation.rung(Severity(row["severity"]))
    await connection.execute(
        "update incident set resolve_within_s = $2::integer,"
        " resolve_due_at = app.now() + $2 * interval '1 s' where id = $1",
        row["id"],
        rung.resolve_within_s,
    )
    await reopen(connection, row["id"], rung, None, "stands_alone", data={"of": "lock"})


async def _tell(connection: Connection, incident_ids: Sequence[UUID]) -> None:
    for incident_id in incident_ids:
        await record(
            connection,
            "follows",
            incident_id=incident_id,
            data={"of": "lock"},
            actor="evaluator",
        )
