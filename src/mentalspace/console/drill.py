"""Drill pages: what was last proven and when, and what a run expected and saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from mentalspace.console.door import Forbidden, Missing, Visit
from mentalspace.console.queries.processes import last_drills
from mentalspace.engine.evidence import read_entry
from mentalspace.engine.proof import all_proven, gaps, revisions, standing
from mentalspace.engine.runbook import HOUSE, Drill, Rehearsal
from mentalspace.kernel.chain import Entry, hash_of
from mentalspace.workflows.game_day import compare, in_order

_RUN = """
select id, drill, started_at, finished_at, passed, expected, observed, seconds, actor, game_day,
       injected_at, detected_at, healed_at, recovered_at, proved, chain, seq
  from drill_run where id = $1
"""


# How a drill ended last; what people look for first comes first.
STATES = {"failed": "Failed", "running": "Running", "never": "Never run", "passed": "Passed"}


@dataclass(frozen=True, slots=True)
class Group:
    """A room's drills, or the house's own, that were asked for: `first` those that failed or run
    right now, `rest` the others. `counts` are of all."""

    room: str
    title: str
    first: list[Drill | Rehearsal]
    rest: list[Drill | Rehearsal]
    counts: Mapping[str, int]


async def drills(visit: Visit) -> Response:
    wanted = visit.query("state") if visit.query("state") in STATES else ""
    async with visit.services.database.as_oncall() as connection:
        latest = await last_drills(connection)
        proofs = await all_proven(connection)
        recent = await connection.fetch(
            "select id, drill, started_at, finished_at, passed, seconds, actor from drill_run"
            " order by started_at desc limit 20"
        )
    books, now = visit.services.runbooks, visit.services.clock.now()
    written = revisions(books)
    groups = [
        *(
            _group(room.room, room.overview.title, room.drills, latest, wanted)
            for room in books.rooms
        ),
        _group(HOUSE, "The house itself", books.rehearsals, latest, wanted),
    ]
    return await visit.show(
        "drills.html",
        standings={
            drill.id: standing(books, drill.id, proofs.get(drill.id), now, written)
            for drill in books.all_drills
        },
        gaps=gaps(books, proofs, now),
        provable=len(books.cases) + len(books.alerts) + len(books.house_proofs),
        groups=groups,
        states=STATES,
        wanted=wanted,
        numbers={state: sum(group.counts[state] for group in groups) for state in STATES},
        latest=latest,
        recent=recent,
        may_run=_refusal(visit) is None,
        refusal=_refusal(visit),
    )


def _group(
    room: str,
    title: str,
    drills: Sequence[Drill | Rehearsal],
    latest: Mapping[str, Any],
    wanted: str,
) -> Group:
    states = {drill.id: _state(latest.get(drill.id)) for drill in drills}
    shown = [drill for drill in drills if wanted in ("", states[drill.id])]
    first = [drill for drill in shown if states[drill.id] in ("failed", "running")]
    rest = [drill for drill in shown if drill not in first]
    return Group(room, title, first, rest, dict.fromkeys(STATES, 0) | Counter(states.values()))


def _state(run: Any | None) -> str:
    if run is None:
        return "never"
    return {True: "passed", False: "failed", None: "running"}[run["passed"]]


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
            _RUN,
            str(visit.request.path_params["id"]),
        )
        if found is None:
            raise Missing
        entry = None
        if found["chain"] is not None:
            entry = await read_entry(connection, found["chain"], found["seq"])
    drill = _drill(visit, found["drill"])
    return await visit.show(
        "drill_run.html",
        run=found,
        drill=drill,
        is_rehearsal=isinstance(drill, Rehearsal),
        expectations=(
            in_order([step.do for step in drill.steps], found["expected"], found["observed"])
            if isinstance(drill, Rehearsal)
            else compare(found["expected"], found["observed"])
        ),
        missing=found["observed"].get("missing") or [],
        error=found["observed"].get("error"),
        entry=entry,
        record=entry.record if entry else None,
        is_whole=_is_whole(entry),
    )


def _is_whole(entry: Entry | None) -> bool:
    """Whether the entry is what was written: its hash says so."""
    return entry is not None and entry.hash == hash_of(
        entry.seq, entry.kind, entry.previous, entry.body
    )


def _drill(visit: Visit, drill_id: str) -> Drill | Rehearsal | None:
    return next((d for d in visit.services.runbooks.all_drills if d.id == drill_id), None)


def _refusal(visit: Visit) -> str | None:
    """Why this person may not start a drill here and now; None if they may."""
    if visit.services.settings.is_production:
        return "In production a drill would touch live credentials, so it is not started here."
    if visit.start_drill is None:
        return "This installation does not run drills from the console."
    return None
