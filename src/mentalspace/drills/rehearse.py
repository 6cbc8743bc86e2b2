"""Goes through a rehearsal of the house, step by step, and writes down what came of each."""

from __future__ import annotations

from mentalspace.drills.second_factor import ACTS, Rehearser
from mentalspace.engine.runbook import Rehearsal
from mentalspace.engine.services import Services


async def rehearse(
    services: Services, rehearsal: Rehearsal, run_id: str
) -> tuple[dict[str, str], list[str]]:
    """What each step showed, and the steps that showed something else than was promised.

    The first step that cannot be done ends it: what follows builds on it.
    """
    rehearser = Rehearser(services, run_id)
    seen: dict[str, str] = {}
    await rehearser.come()
    try:
        for step in rehearsal.steps:
            try:
                seen[step.do] = await ACTS[step.do](rehearser)
            except Exception as error:
                seen[step.do] = f"could not be done: {type(error).__name__}"
                break
    finally:
        await rehearser.leave()
    return seen, [step.do for step in rehearsal.steps if seen.get(step.do) != step.expect]
