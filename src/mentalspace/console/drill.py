"""Drill pages: what was last proven and when, and what a run expected and saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from mentalspace.console.door import Forbidden, Missing, Visit
from mentalspace.console.queries.fleet import last_drills
from mentalspace.engine.runbook import Drill


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing a run looked at. `met` is None where only one side says something."""

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
        rooms=visit.services.runbooks.rooms,
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
    return await visit.show(
        "drill_run.html",
        run=found,
        drill=_drill(visit, found["drill"]),
        expectations=compare(found["expected"], found["observed"]),
    )


def compare(expected: Mapping[str, Any], observed: Mapping[str, Any]) -> list[Expectation]:
    """Side by side, nested groups flattened: `recovered.status` beside what was seen of it."""
    wanted, seen = _flat(expected), _flat(observed)
    return [
        Expectation(
            name,
            _text(wanted.get(name)),
            _text(seen.get(name)),
            wanted[name] == seen[name] if name in wanted and name in seen else None,
        )
        for name in dict.fromkeys([*wanted, *seen])
    ]


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value
    return found


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value) or "none"
    return str(value)


def _drill(visit: Visit, drill_id: str) -> Drill | None:
    return next((d for d in visit.services.runbooks.drills if d.id == drill_id), None)


def _refusal(visit: Visit) -> str | None:
    """Why this person may not start a drill here and now; None if they may."""
    if visit.services.settings.is_production:
        return "In production a drill would touch live credentials, so it is not started here."
    if visit.start_drill is None:
        return "This installation does not run drills from the console."
    return None
