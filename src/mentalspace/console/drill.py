"""Drill pages: what was last proven and when, and what a run expected and saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from mentalspace.console import words
from mentalspace.console.door import Forbidden, Missing, Visit
from mentalspace.console.queries.fleet import last_drills
from mentalspace.engine.runbook import HOUSE, Drill, Rehearsal

# Which of the things seen answers an expectation.
_ANSWERED_BY: Mapping[str, str] = {
    "requests_min": "requests",
    "requests_max": "requests",
    "case": "cases",
    "never": "cases",
    "status": "statuses",
    "alert": "alerts",
}
_WORDS: Mapping[str, str] = {
    "refused_locally": "Refused by our own check",
    "requests_min": "Requests, at least",
    "requests_max": "Requests, at most",
    "accepted": "Messages accepted",
    "case": "Recognised as",
    "never": "Never recognised as",
    "status": "Every message is",
    "lane": "Lane",
    "steps": "Steps run",
    "alert": "Alert raised",
    "logged": "Every failed try is logged",
}
_STAGES: Mapping[str, str] = {"then": "While broken", "recovered": "After recovery"}


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing a run looked at. `met` is None while nothing has been seen."""

    stage: str
    name: str
    expected: str
    observed: str
    met: bool | None


async def drills(visit: Visit) -> Response:
    async with visit.services.database.as_oncall() as connection:
        latest = await last_drills(connection)
        recent = await connection.fetch(
            "select id, drill, started_at, finished_at, passed, seconds, actor from drill_run"
            " order by started_at desc limit 20"
        )
    return await visit.show(
        "drills.html",
        groups=[
            *((r.room, r.overview.title, r.drills) for r in visit.services.runbooks.rooms),
            (HOUSE, "The house itself", visit.services.runbooks.rehearsals),
        ],
        latest=latest,
        recent=recent,
        may_run=_refusal(visit) is None,
        refusal=_refusal(visit),
    )


async def start(visit: Visit) -> Response:
    if refusal := _refusal(visit):
        raise Forbidden(refusal)
    drill = _drill(visit, visit.field("drill"))
    if drill is None:
        raise Missing
    assert visit.start_drill is not None
    run_id = await visit.start_drill(drill.id, visit.person.name)
    return visit.go(f"/drills/{quote(run_id, safe='/')}")


async def run(visit: Visit) -> Response:
    async with visit.services.database.as_oncall() as connection:
        found = await connection.fetchrow(
            "select id, drill, started_at, finished_at, passed, expected, observed, seconds, actor"
            " from drill_run where id = $1",
            str(visit.request.path_params["id"]),
        )
    if found is None:
        raise Missing
    drill = _drill(visit, found["drill"])
    return await visit.show(
        "drill_run.html",
        run=found,
        drill=drill,
        is_rehearsal=isinstance(drill, Rehearsal),
        expectations=(
            _in_order(drill, found["expected"], found["observed"])
            if isinstance(drill, Rehearsal)
            else compare(found["expected"], found["observed"])
        ),
        missing=found["observed"].get("missing") or [],
        error=found["observed"].get("error"),
    )


def compare(expected: Mapping[str, Any], observed: Mapping[str, Any]) -> list[Expectation]:
    """What was promised beside what was seen, in both halves of a run."""
    missing = observed.get("missing") or []
    return [
        Expectation(
            title,
            _WORDS.get(name, words.plain(name)),
            _text(value),
            _seen(name, observed.get(stage, {})),
            _met(stage, name, observed, missing),
        )
        for stage, title in _STAGES.items()
        for name, value in (expected.get(stage) or {}).items()
    ]


def _in_order(
    rehearsal: Rehearsal, expected: Mapping[str, Any], observed: Mapping[str, Any]
) -> list[Expectation]:
    """The same for a rehearsal, whose steps follow one another."""
    place = {
        words.plain(step.do): f"Step {number}" for number, step in enumerate(rehearsal.steps, 1)
    }
    shown = [
        replace(each, stage=place.get(each.name, "Once")) for each in compare(expected, observed)
    ]
    return sorted(
        shown, key=lambda each: list(place).index(each.name) if each.name in place else -1
    )


def _seen(name: str, observed: Mapping[str, Any]) -> str:
    if name == "logged" and "logged" in observed:
        return f"{observed['logged']} of {observed.get('failed_attempts', 0)}"
    return _text(observed.get(_ANSWERED_BY.get(name, name)))


def _met(stage: str, name: str, observed: Mapping[str, Any], missing: list[str]) -> bool | None:
    """The run's own judgement: it lists what did not hold, `steps` one by one."""
    if stage not in observed:
        return None
    before = "recovered: " if stage == "recovered" else ""
    word = {"steps": "step"}.get(name, name)
    return not any(miss == before + word or miss.startswith(f"{before}{word} ") for miss in missing)


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value) or "none"
    return str(value)


def _drill(visit: Visit, drill_id: str) -> Drill | Rehearsal | None:
    return next((d for d in visit.services.runbooks.all_drills if d.id == drill_id), None)


def _refusal(visit: Visit) -> str | None:
    """Why this person may not start a drill here and now; None if they may."""
    if visit.services.settings.is_production:
        return "In production a drill would touch live credentials, so it is not started here."
    if visit.start_drill is None:
        return "This installation does not run drills from the console."
    return None
