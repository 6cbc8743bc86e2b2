"""Escalation: whom an incident pages at once, and whom when one of its two clocks has run out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from mentalspace.engine.alert_silence import SILENCED_UNTIL
from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record
from mentalspace.engine.runbook import Escalation, Rung
from mentalspace.kernel.case import Severity

# Somebody has said that they have it: see engine/acknowledged.py.
_DUE = f"""
select i.id, i.severity, i.escalation_step, i.drill from incident i
 where i.status = 'open' and i.next_escalation_at <= app.now() and {SILENCED_UNTIL} is null
   and not exists (select from acknowledgement_owed o where o.incident_id in (i.id, i.lead_id))
   for update of i skip locked
"""
# Whoever took it has not ended it in time. One that looks recovered wakes nobody: its clock waits
# for a person in peace.
_LAPSED = f"""
select i.id, i.severity, i.drill, i.acknowledged_by from incident i
 where i.status = 'acknowledged' and i.resolve_due_at <= app.now() and i.recovered_at is null
   and {SILENCED_UNTIL} is null
   for update of i skip locked
"""
_REOPEN = """
update incident set status = 'open', acknowledged_at = null, acknowledged_by = null,
  escalation_step = escalation_step + 1, rounds = rounds + 1,
  ack_due_at = app.now() + $2 * interval '1 s',
  next_escalation_at = app.now() + $3 * interval '1 s'
 where id = $1 returning escalation_step
"""


async def escalate(connection: Connection, escalation: Escalation) -> int:
    """Page further what nobody has acknowledged, or nobody ended, in time; how many incidents."""
    return await _page_further(connection, escalation) + await _take_back(connection, escalation)


async def _page_further(connection: Connection, escalation: Escalation) -> int:
    rows = await connection.fetch(_DUE)
    for row in rows:
        rung = escalation.rung(Severity(row["severity"]))
        step = row["escalation_step"] + 1
        await connection.execute(
            "update incident set escalation_step = $2,"
            " next_escalation_at = app.now() + $3 * interval '1 s' where id = $1",
            row["id"],
            step,
            rung.repeat_every_s or None,
        )
        await write_pages(connection, row["id"], step, rung.reached, row["drill"])
        await record(
            connection,
            "escalated",
            incident_id=row["id"],
            data={"step": step, "to": list(rung.reached)},
            actor="evaluator",
            drill=row["drill"],
        )
    return len(rows)


async def _take_back(connection: Connection, escalation: Escalation) -> int:
    """What somebody took and did not end in time is open again, and pages everybody of its rung."""
    rows = await connection.fetch(_LAPSED)
    for row in rows:
        rung = escalation.rung(Severity(row["severity"]))
        told = {"by": row["acknowledged_by"], "within_s": rung.resolve_within_s}
        await reopen(
            connection, row["id"], rung, row["drill"], "acknowledgment_lapsed", rung.reached, told
        )
    return len(rows)


async def reopen(
    connection: Connection,
    incident_id: UUID,
    rung: Rung,
    drill: str | None,
    kind: str,
    targets: tuple[str, ...] | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """It is nobody's again, whoever acknowledged it: `kind` tells the timeline why.

    Pages `targets`, or whom its opening paged.
    """
    step = await connection.fetchval(_REOPEN, incident_id, rung.ack_within_s, rung.first_step_s)
    await record(
        connection, kind, incident_id=incident_id, data=data, actor="evaluator", drill=drill
    )
    await write_pages(connection, incident_id, step, targets or rung.first_paged, drill)


async def write_pages(
    connection: Connection,
    incident_id: UUID,
    step: int,
    targets: tuple[str, ...],
    drill: str | None,
) -> None:
    """Write the pages down; the pager sends them. A drill's all go to the drill's channel."""
    for meant in targets:
        await connection.execute(
            "insert into page (incident_id, target, meant, step) values ($1, $2, $3, $4)"
            " on conflict do nothing",
            incident_id,
            "drill" if drill else meant,
            meant,
            step,
        )
