"""Runs drills against the running system and writes down what each promised and showed."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mentalspace.drills.observe import Observed, misses, observe, promised
from mentalspace.drills.rehearse import rehearse
from mentalspace.drills.stage import Stage, open_stage
from mentalspace.engine.log import get_logger
from mentalspace.engine.runbook import HOUSE, Drill, Expect, Rehearsal
from mentalspace.engine.services import Services
from mentalspace.kernel.errors import Refused

LOOK_EVERY_S = 0.3
AT_ONCE = 4

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DrillResult:
    id: str
    passed: bool
    expected: dict[str, Any]
    observed: dict[str, Any]
    seconds: float
    run_id: str


def select(services: Services, selection: list[str]) -> list[Drill | Rehearsal]:
    """`[]` is every drill; `room`, or `house`, all of it; `room/drill` one. Raises Refused."""
    drills = services.runbooks.all_drills
    if not selection:
        return list(drills)
    chosen = [d for d in drills if d.id in selection or _room(d) in selection]
    for wanted in selection:
        if not any(wanted in (d.id, _room(d)) for d in drills):
            raise Refused("no_such_drill", f"there is no drill or room {wanted!r}")
    return chosen


def _room(drill: Drill | Rehearsal) -> str:
    return HOUSE if isinstance(drill, Rehearsal) else drill.room


async def run_drills(
    services: Services, selection: list[str], say: Callable[[str], None]
) -> list[DrillResult]:
    """Run the chosen drills, a few at once, each in its own corner; in the chosen order."""
    refuse_live(services)
    drills = select(services, selection)
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(drill: Drill | Rehearsal) -> DrillResult:
        async with turn:
            result = await run_drill(services, drill, new_run_id())
        say(f"{'passed' if result.passed else 'FAILED'}  {drill.id}  {result.seconds:.1f} s")
        return result

    return list(await asyncio.gather(*(one(drill) for drill in drills)))


async def start_drill(services: Services, drill_id: str, actor: str) -> str:
    """Start one drill and return its run's id at once; its page shows how it goes."""
    refuse_live(services)
    [drill] = select(services, [drill_id])
    run_id = new_run_id()
    async with services.database.as_dispatcher() as connection:
        await connection.execute(
            "insert into drill_run (id, drill, actor) values ($1, $2, $3)", run_id, drill.id, actor
        )
    task = asyncio.create_task(run_drill(services, drill, run_id))
    _running.add(task)
    task.add_done_callback(_running.discard)
    return run_id


# Kept so that the event loop does not forget a running drill.
_running: set[asyncio.Task[DrillResult]] = set()


def new_run_id() -> str:
    return secrets.token_hex(5)


def refuse_live(services: Services) -> None:
    """Drills break things on purpose: never where a live credential could be hit."""
    if services.settings.is_production:
        raise Refused("production", "drills run in a demo, never in production")


async def run_drill(services: Services, drill: Drill | Rehearsal, run_id: str) -> DrillResult:
    """Arrange, act, wait for what was promised, recover, wait for the recovery."""
    began = time.monotonic()
    if isinstance(drill, Rehearsal):
        promised_steps = {"then": {step.do: step.expect for step in drill.steps}}
        seen, failed = await rehearse(services, drill, run_id)
        return await _finish(services, drill, run_id, promised_steps, {"then": seen}, failed, began)
    expected = {"then": promised(drill.expect), "recovered": promised(drill.recovered)}
    observed: dict[str, Any] = {}
    failures: list[str] = []
    try:
        stage = await open_stage(services, drill, run_id)
    except Exception as error:
        return await _finish(
            services, drill, run_id, expected, {"error": _words(error)}, ["could not start"], began
        )
    try:
        for action in drill.arrange:
            await stage.arrange(action)
        for action in drill.act:
            await stage.act(action)
        observed["then"], failures = await _wait(stage, drill.expect, drill.timeout_s)
        for word in drill.recover:
            await stage.recover(word)
        if drill.recover:
            observed["recovered"], more = await _wait(stage, drill.recovered, drill.timeout_s)
            failures += [f"recovered: {miss}" for miss in more]
    except Exception as error:
        failures.append(_words(error))
    finally:
        await stage.close()
    return await _finish(services, drill, run_id, expected, observed, failures, began)


async def _wait(stage: Stage, expect: Expect, timeout_s: float) -> tuple[Observed, list[str]]:
    ends = time.monotonic() + timeout_s
    while True:
        seen = await observe(stage)
        missing = misses(expect, seen)
        if not missing or time.monotonic() > ends:
            return seen, missing
        await asyncio.sleep(LOOK_EVERY_S)


async def _finish(
    services: Services,
    drill: Drill | Rehearsal,
    run_id: str,
    expected: dict[str, Any],
    observed: dict[str, Any],
    failures: list[str],
    began: float,
) -> DrillResult:
    seconds = round(time.monotonic() - began, 2)
    if failures:
        observed["missing"] = failures
    async with services.database.as_dispatcher() as connection:
        await connection.execute(
            "insert into drill_run (id, drill, actor, finished_at, passed, expected, observed,"
            " seconds) values ($1, $2, 'drill', app.now(), $3, $4, $5, $6)"
            " on conflict (id) do update set finished_at = app.now(), passed = excluded.passed,"
            " expected = excluded.expected, observed = excluded.observed,"
            " seconds = excluded.seconds",
            run_id,
            drill.id,
            not failures,
            expected,
            observed,
            seconds,
        )
    log.info("drill_finished", drill=drill.id, state="failed" if failures else "passed")
    return DrillResult(drill.id, not failures, expected, observed, seconds, run_id)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
