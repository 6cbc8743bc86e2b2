"""The actions a runbook's steps may name. Data composes, code acts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record
from mentalspace.engine.limiter import slow_down
from mentalspace.kernel.case import ErrorCase
from mentalspace.kernel.errors import Evidence


@dataclass(frozen=True, slots=True)
class StepContext:
    """Where a step acts: the failed delivery, its lane, and what the runbook said of it."""

    connection: Connection
    practice_id: UUID
    delivery_id: UUID
    client_id: UUID | None
    subject_id: UUID | None
    lane_id: UUID
    credential_id: UUID
    case: ErrorCase
    evidence: Evidence
    params: Mapping[str, str]
    drill: str | None


Action: TypeAlias = Callable[[StepContext], Awaitable[None]]


async def pause_lane(context: StepContext) -> None:
    """Stop this credential's lanes, for `for_s` seconds or until the credential changes.

    `only = "phi"` lets go on what carries none; a later pause for all of it takes its place.
    """
    for_s = float(context.params["for_s"]) if "for_s" in context.params else None
    for_phi = context.params.get("only") == "phi"
    lanes = await context.connection.fetch(
        "update lane set state = 'paused', paused_at = app.now(), paused_case = $2,"
        " paused_by = 'runbook', paused_until = app.now() + $3 * interval '1 s',"
        " paused_for_phi = $4 where credential_id = $1"
        " and (state = 'open' or paused_for_phi and not $4) returning id",
        context.credential_id,
        context.case.id,
        for_s,
        for_phi,
    )
    for lane in lanes:
        await record(
            context.connection,
            "lane_paused",
            practice_id=context.practice_id,
            lane_id=lane["id"],
            delivery_id=context.delivery_id,
            data={"case": context.case.id, "for_s": for_s, "only": "phi" if for_phi else None},
            drill=context.drill,
        )


async def slow_lane(context: StepContext) -> None:
    """Obey a lower rate for a while: `per_s` requests a second for `for_s` seconds."""
    per_s = float(context.params.get("per_s", "1"))
    for_s = float(context.params.get("for_s", "60"))
    await slow_down(context.connection, context.credential_id, per_s=per_s, for_s=for_s)
    await record(
        context.connection,
        "lane_slowed",
        practice_id=context.practice_id,
        lane_id=context.lane_id,
        delivery_id=context.delivery_id,
        data={"case": context.case.id, "per_s": per_s, "for_s": for_s},
        drill=context.drill,
    )


async def note(context: StepContext) -> None:
    """Say something on the delivery's timeline, for whoever reads it."""
    await record(
        context.connection,
        "note",
        practice_id=context.practice_id,
        delivery_id=context.delivery_id,
        data={"case": context.case.id, "text": context.params.get("text", "")},
        drill=context.drill,
    )


ENGINE_ACTIONS: Mapping[str, Action] = MappingProxyType(
    {"pause_lane": pause_lane, "slow_lane": slow_lane, "note": note}
)
# These do to the lane what need not be done again for each delivery of a batch.
LANE_ACTIONS = frozenset({"pause_lane", "slow_lane"})
