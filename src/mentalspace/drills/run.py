"""Runs drills against the running system and writes down what each promised and showed."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from mentalspace.drills.observe import Observed, misses, observe, promised
from mentalspace.drills.record import Occasion, begin, write_down
from mentalspace.drills.rehearse import fired_by, rehearse
from mentalspace.drills.sheet import Sheet, action_text, promise_text
from mentalspace.drills.signs import detected_at, signs
from mentalspace.drills.stage import Stage, open_stage
from mentalspace.drills.steady import Steady, leftovers
from mentalspace.engine.log import get_logger
from mentalspace.engine.runbook import HOUSE, Drill, Expect, Rehearsal
from mentalspace.engine.services import Services
from mentalspace.kernel.errors import Refused

LOOK_EVERY_S = 0.3
AT_ONCE = 4
BY_ITSELF = Occasion()
T = TypeVar("T")

# Longer than a turn of the evaluator takes.
_LAST_TURN_S = 2.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DrillResult:
    """`detect_s` and `recover_s` are None where there was nothing to detect, or to recover."""

    id: str
    passed: bool
    expected: dict[str, Any]
    observed: dict[str, Any]
    seconds: float
    run_id: str
    outcome: str = "passed"
    detect_s: float | None = None
    recover_s: float | None = None


def select(services: Services, selection: list[str]) -> list[Drill | Rehearsal]:
    """`[]` is every drill; `room`, or `house`, all of it; `room/drill` one. Raises Refused."""
    drills = services.runbooks.all_drills
    if not selection:
        return list(drills)
    chosen = [d for d in drills if d.id in selection or room_of(d) in selection]
    for wanted in selection:
        if not any(wanted in (d.id, room_of(d)) for d in drills):
            raise Refused("no_such_drill", f"there is no drill or room {wanted!r}")
    return chosen


def room_of(drill: Drill | Rehearsal) -> str:
    return HOUSE if isinstance(drill, Rehearsal) else drill.room


async def run_drills(
    services: Services, selection: list[str], say: Callable[[str], None]
) -> list[DrillResult]:
    """Run the chosen drills, a few at once, each in its own corner; in the chosen order."""
    refuse_live(services)
    drills = select(services, selection)
    turn, steady = asyncio.Semaphore(AT_ONCE), Steady(services, new_run_id())

    async def one(drill: Drill | Rehearsal) -> DrillResult:
        async with turn:
            result = await run_drill(services, drill, new_run_id(), steady=steady)
        say(f"{'passed' if result.passed else 'FAILED'}  {drill.id}  {result.seconds:.1f} s")
        return result

    try:
        return list(await asyncio.gather(*(one(drill) for drill in drills)))
    finally:
        await steady.close()


async def start_drill(services: Services, drill_id: str, actor: str) -> str:
    """Start one drill and return its run's id at once; its page shows how it goes."""
    refuse_live(services)
    [drill] = select(services, [drill_id])
    run_id, occasion = new_run_id(), Occasion(actor)
    await begin(services, Sheet(drill, run_id, services.clock.now), occasion)
    keep_going(run_drill(services, drill, run_id, occasion=occasion))
    return run_id


def keep_going(work: Coroutine[Any, Any, Any]) -> None:
    """In the background, kept so that the event loop does not forget it."""
    task = asyncio.create_task(work)
    _running.add(task)
    task.add_done_callback(_running.discard)


_running: set[asyncio.Task[Any]] = set()


async def surely(work: Coroutine[Any, Any, T]) -> T:
    """To its end, even if whoever waits for it is cancelled meanwhile."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def new_run_id() -> str:
    return secrets.token_hex(5)


def refuse_live(services: Services) -> None:
    """Drills break things on purpose: never where a live credential could be hit."""
    if services.settings.is_production:
        raise Refused("production", "drills run in a demo, never in production")


async def run_drill(
    services: Services,
    drill: Drill | Rehearsal,
    run_id: str,
    *,
    occasion: Occasion = BY_ITSELF,
    steady: Steady | None = None,
) -> DrillResult:
    """Look whether all is well, arrange, act, wait for what was promised, recover, wait for the
    recovery, look again. Cancelled, it heals what it broke and says that it was interrupted."""
    sheet = Sheet(drill, run_id, services.clock.now)
    own = steady or Steady(services, run_id)
    try:
        if isinstance(drill, Rehearsal):
            await _rehearse(services, drill, sheet)
        else:
            await _drill(services, drill, sheet, own)
    except asyncio.CancelledError:
        sheet.interrupted = True
        sheet.failures.append("interrupted")
    finally:
        if steady is None:
            await surely(own.close())
    await surely(write_down(services, sheet, occasion))
    log.info("drill_finished", drill=drill.id, state=sheet.outcome)
    return DrillResult(
        drill.id,
        sheet.outcome == "passed",
        sheet.expected,
        sheet.observed,
        round(time.monotonic() - sheet.began, 2),
        run_id,
        sheet.outcome,
        sheet.detect_s,
        sheet.recover_s,
    )


async def _rehearse(services: Services, rehearsal: Rehearsal, sheet: Sheet) -> None:
    sheet.expected = {"then": {step.do: step.expect for step in rehearsal.steps}}
    seen, failed = await rehearse(services, rehearsal, sheet)
    sheet.observed["then"] = seen
    sheet.failures += failed
    if rehearsal.proves:
        fired = await fired_by(services, sheet.run_id)
        sheet.observed["rules"] = sorted(fired)
        sheet.failures += [f"{rule} did not fire" for rule in rehearsal.proves if rule not in fired]


async def _drill(services: Services, drill: Drill, sheet: Sheet, steady: Steady) -> None:
    sheet.expected = {"then": promised(drill.expect), "recovered": promised(drill.recovered)}
    sheet.provider = drill.provider or services.rooms[drill.room].providers[0].name
    look = await steady.before(drill.room, drill.provider)
    sheet.note("steady_before", look.text, look.held)
    if not look.held:
        # What is broken already would be taken for what the drill breaks.
        sheet.failures.append("the steady state before it")
        return
    try:
        stage = await open_stage(services, drill, sheet.run_id)
    except Exception as error:
        sheet.observed["error"] = _words(error)
        sheet.failures.append("could not start")
        return
    try:
        await _break_and_recover(stage, drill, sheet)
    except Exception as error:
        sheet.failures.append(_words(error))
    finally:
        await surely(stage.close())
    await _look_after(stage, sheet, steady)


async def _break_and_recover(stage: Stage, drill: Drill, sheet: Sheet) -> None:
    for action in drill.arrange:
        sheet.note("inject", action_text(action))
        await stage.arrange(action)
    sheet.injected_at = sheet.now()
    for action in drill.act:
        sheet.note("act", action_text(action))
        await stage.act(action)
    sheet.note("expected", promise_text(promised(drill.expect)))
    sheet.observed["then"], missing = await _wait(stage, drill.expect, drill.timeout_s)
    sheet.signs = await signs(stage, drill.expect)
    sheet.detected_at = detected_at(drill.expect, sheet.signs)
    sheet.failures += missing
    sheet.note("observed", _told(missing), not missing)
    if not drill.recover:
        return
    sheet.healed_at = sheet.now()
    for word in drill.recover:
        sheet.note("rollback", word.replace("_", " "))
        await stage.recover(word)
    sheet.observed["recovered"], missing = await _wait(stage, drill.recovered, drill.timeout_s)
    sheet.failures += [f"recovered: {miss}" for miss in missing]
    if not missing:
        sheet.recovered_at = sheet.now()
    text = promise_text(promised(drill.recovered)) if not missing else _told(missing)
    sheet.note("recovered", text, not missing)


async def _look_after(stage: Stage, sheet: Sheet, steady: Steady) -> None:
    left = await leftovers(stage)
    if left:
        # A turn of the evaluator that began before the drill's credential was closed.
        await asyncio.sleep(_LAST_TURN_S)
        await stage.end()
        left = await leftovers(stage)
    look = await steady.after(stage.drill.room, stage.drill.provider)
    clean = "nothing of the drill is left" if not left else "; ".join(left)
    sheet.note("after", f"{look.text}; {clean}", look.held and not left)
    if not look.held:
        sheet.failures.append("the steady state after it")
    sheet.failures += left


async def _wait(stage: Stage, expect: Expect, timeout_s: float) -> tuple[Observed, list[str]]:
    ends = time.monotonic() + timeout_s
    while True:
        seen = await observe(stage)
        missing = misses(expect, seen)
        if not missing or time.monotonic() > ends:
            return seen, missing
        await asyncio.sleep(LOOK_EVERY_S)


def _told(missing: list[str]) -> str:
    return f"did not hold: {', '.join(missing)}" if missing else "all of it"


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
