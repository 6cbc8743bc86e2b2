"""Goes through a rehearsal of the house, step by step, and writes down what came of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from mentalspace.drills import (
    house_rules,
    loop_hangs,
    paging,
    second_factor,
    table_locked,
    uploads,
    ways,
)
from mentalspace.drills.sheet import Sheet
from mentalspace.engine.runbook import Rehearsal
from mentalspace.engine.services import Services


class Rehearser(Protocol):
    """Whoever does a rehearsal's steps; `closing` says what they leave behind."""

    closing: str

    async def come(self) -> None: ...

    async def leave(self) -> None: ...


# Who does which steps.
Acts = Mapping[str, Callable[[Any], Awaitable[str]]]
REHEARSERS: Mapping[Callable[[Services, str], Rehearser], Acts] = {
    second_factor.Rehearser: second_factor.ACTS,
    paging.Paging: paging.ACTS,
    ways.Ways: ways.ACTS,
    uploads.Uploads: uploads.ACTS,
    loop_hangs.LoopHangs: loop_hangs.ACTS,
    table_locked.TableLocked: table_locked.ACTS,
    house_rules.HouseRules: house_rules.ACTS,
}
ACTS = {name: act for acts in REHEARSERS.values() for name, act in acts.items()}


async def rehearse(
    services: Services, rehearsal: Rehearsal, sheet: Sheet
) -> tuple[dict[str, str], list[str]]:
    """What each step showed, and the steps that showed something else than was promised.

    The first step that cannot be done ends it: what follows builds on it.
    """
    first = rehearsal.steps[0].do
    rehearser = next(who for who, acts in REHEARSERS.items() if first in acts)(
        services, sheet.run_id
    )
    seen: dict[str, str] = {}
    await rehearser.come()
    try:
        for step in rehearsal.steps:
            said = step.do.replace("_", " ")
            sheet.note("act", said)
            try:
                seen[step.do] = await ACTS[step.do](rehearser)
            except Exception as error:
                seen[step.do] = f"could not be done: {type(error).__name__}"
                sheet.note("observed", seen[step.do], False)
                break
            text = f"{seen[step.do]}, as promised"
            held = seen[step.do] == step.expect
            sheet.note("observed", text if held else f"{seen[step.do]}, not {step.expect}", held)
    finally:
        await rehearser.leave()
        sheet.note("rollback", rehearser.closing)
    return seen, [step.do for step in rehearsal.steps if seen.get(step.do) != step.expect]


async def fired_by(services: Services, run_id: str) -> frozenset[str]:
    """The rules that opened an incident of this run's own."""
    async with services.database.as_oncall() as connection:
        rows = await connection.fetch(
            "select distinct rule_id from incident where drill = $1", run_id
        )
    return frozenset(row["rule_id"] for row in rows)
