"""Escalation: whom an incident pages at once, and whom when nobody has taken it in time."""

from __future__ import annotations

from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record
from mentalspace.engine.runbook import Escalation, Rung
from mentalspace.kernel.case import Severity

_DUE = """
select id, severity, escalation_step, drill from incident
 where status = 'open' and next_escalation_at <= app.now() for update skip locked
"""


async def escalate(connection: Connection, escalation: Escalation) -> int:
    """Page the next rung of what nobody has acknowledged in time; how many incidents."""
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
        await write_pages(connection, row["id"], step, reached(rung), row["drill"])
        await record(
            connection,
            "escalated",
            incident_id=row["id"],
            data={"step": step, "to": list(reached(rung))},
            actor="evaluator",
            drill=row["drill"],
        )
    return len(rows)


async def write_pages(
    connection: Connection,
    incident_id: UUID,
    step: int,
    targets: tuple[str, ...],
    drill: str | None,
) -> None:
    """Write the pages down; the pager sends them. A drill reaches only the drill's channel."""
    for target in ("drill",) if drill else targets:
        await connection.execute(
            "insert into page (incident_id, target, step) values ($1, $2, $3)"
            " on conflict do nothing",
            incident_id,
            target,
            step,
        )


def reached(rung: Rung) -> tuple[str, ...]:
    """Everybody of a rung, once it has not been acknowledged in time."""
    return tuple(dict.fromkeys(rung.contacts + rung.escalate_to))
