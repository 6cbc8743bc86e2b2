"""Tasks for people: what the runbook asks somebody to look at."""

from __future__ import annotations

from mentalspace.engine.ledger import record
from mentalspace.engine.steps import StepContext


async def open_task(context: StepContext) -> None:
    """Ask a role of the practice to do something; once for each delivery and case."""
    opened = await context.connection.fetchval(
        "insert into task (practice_id, for_role, text, case_id, delivery_id, client_id, drill)"
        " values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing returning id",
        context.practice_id,
        context.params.get("for", "front_desk"),
        context.params["text"],
        context.case.id,
        context.delivery_id,
        context.client_id,
        context.drill,
    )
    if opened is not None:
        await record(
            context.connection,
            "task_opened",
            practice_id=context.practice_id,
            delivery_id=context.delivery_id,
            data={"for": context.params.get("for", "front_desk"), "case": context.case.id},
            drill=context.drill,
        )
