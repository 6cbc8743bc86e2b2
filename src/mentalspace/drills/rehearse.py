"""Goes through a rehearsal of the house, step by step, and writes down what came of each."""

from __future__ import annotations

from mentalspace.drills.second_factor import ACTS, Rehearser
from mentalspace.drills.sheet import Sheet
from mentalspace.engine.runbook import Rehearsal
from mentalspace.engine.services import Services


async def rehearse(
    services: Services, rehearsal: Rehearsal, sheet: Sheet
) -> tuple[dict[str, str], list[str]]:
    """What each step showed, and the steps that showed something else than was promised.

    The first step that cannot be done ends it: what follows builds on it.
    """
    rehearser = Rehearser(services, sheet.run_id)
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
        sheet.note("rollback", "the made-up colleague can sign in no more")
    return seen, [step.do for step in rehearsal.steps if seen.get(step.do) != step.expect]
