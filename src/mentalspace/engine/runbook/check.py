"""What a loaded runbook must still hold: names that exist, drills that prove, no ambiguity."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from itertools import combinations
from pathlib import Path

from mentalspace.engine.runbook.book import RoomRunbook, Runbooks
from mentalspace.engine.runbook.check_advice import check_advice
from mentalspace.engine.runbook.check_rule import check_critical, check_rule
from mentalspace.engine.runbook.drill import Drill
from mentalspace.engine.runbook.house_proof import check_house
from mentalspace.engine.runbook.issue import Issue
from mentalspace.engine.runbook.overview import SHARES, Measure, Metric, Overview
from mentalspace.engine.runbook.problem import Problem
from mentalspace.engine.runbook.read import problem_at
from mentalspace.kernel.case import ErrorCase, Match

_WORD = re.compile(r"[a-z][a-z0-9_]*")


def check(runbooks: Runbooks, *, today: date, known_steps: Collection[str]) -> list[Problem]:
    """Every problem, in the order of the rooms, then the house. Overdue reviews are warnings."""
    rooms = [p for room in runbooks.rooms for p in _room(room, today, frozenset(known_steps))]
    return [*rooms, *check_house(runbooks.house_proofs, runbooks.rehearsals)]


def _room(room: RoomRunbook, today: date, known_steps: frozenset[str]) -> Iterator[Problem]:
    yield from _ids(room)
    yield from _unmatched(room)
    yield from _overlaps(room)
    for case in room.cases:
        yield from _case(case, room, known_steps)
    for metric in room.overview.metrics:
        yield from _metric(metric, room.overview.path)
    for rule in room.overview.alerts:
        yield from check_rule(rule, room)
    yield from check_critical(room)
    yield from check_advice(room)
    for drill in room.drills:
        yield from _drill(drill, room, known_steps)
    pages: list[Overview | ErrorCase | Issue] = [room.overview, *room.cases, *room.issues]
    for page in pages:
        yield from _review(page.path, page.reviewed, page.next_review, today)


def _ids(room: RoomRunbook) -> Iterator[Problem]:
    named = [(c.id, c.path) for c in room.cases] + [(i.id, i.path) for i in room.issues]
    overview = room.overview
    named += [(metric.id, overview.path) for metric in overview.metrics]
    named += [(rule.id, overview.path) for rule in overview.alerts]
    for name, path in named:
        prefix, _, word = name.partition(".")
        if prefix != room.room or not _WORD.fullmatch(word):
            cure = f"write {room.room}.some_words, in lower case"
            yield problem_at(path, "id", f"bad id {name!r}", cure)
    counted = Counter(name for name, _path in named)
    for name, path in named:
        if counted[name] > 1:
            yield problem_at(path, "id", f"{name!r} is used {counted[name]} times", "rename one")


def _unmatched(room: RoomRunbook) -> Iterator[Problem]:
    wanted = f"{room.room}.unmatched"
    if not any(case.id == wanted and not case.match for case in room.cases):
        cure = f"add errors/unmatched.md to the room, with id {wanted!r} and without a match"
        yield Problem(room.overview.path.parents[1], None, "no unmatched case", cure)
    for case in room.cases:
        if not case.match and case.id != wanted:
            text = f"{case.id} matches nothing"
            yield problem_at(case.path, "id", text, "give it a match; only the unmatched has none")


def _overlaps(room: RoomRunbook) -> Iterator[Problem]:
    """Two cases that could both claim one failure, with nothing to prefer either."""
    for one, other in combinations(room.cases, 2):
        if one.provider != other.provider and None not in (one.provider, other.provider):
            continue
        if any(_ambiguous(a, b) for a in one.match for b in other.match):
            yield problem_at(
                other.path,
                "match",
                f"{other.id} and {one.id} may match the same failure equally well",
                "make their http or code sets disjoint, or one match narrower",
            )


def _ambiguous(a: Match, b: Match) -> bool:
    """Equal specificity means the same fields are given. Two patterns count as overlapping."""
    if a.specificity != b.specificity:
        return False
    pairs = ((a.kind, b.kind), (a.http, b.http), (a.code, b.code))
    return all(not (x or y) or x & y for x, y in pairs)


def _case(case: ErrorCase, room: RoomRunbook, known_steps: frozenset[str]) -> Iterator[Problem]:
    if not case.body:
        cure = "say what people notice, why, and what a person does"
        yield problem_at(case.path, "id", f"{case.id} has no prose", cure)
    if not case.source.startswith(("https://", "own: ")):
        cure = "give the page it was learnt from, or 'own: …' for a rule of ours"
        yield problem_at(case.path, "source", f"{case.id} has no source", cure)
    if case.path.stem != case.id.partition(".")[2] and not case.overlaid:
        cure = f"rename the file to {case.id.partition('.')[2]}.md"
        yield problem_at(case.path, "id", f"{case.id} is in {case.path.name}", cure)
    for step in case.steps:
        if step.do not in known_steps:
            cure = f"use {', '.join(sorted(known_steps))}, or register it"
            yield problem_at(case.path, "steps", f"unknown step {step.do!r}", cure)
    drill = _find(room.drills, case.drill)
    if case.drill is None:
        yield problem_at(case.path, "id", f"{case.id} has no drill", 'add drill = "…"')
    elif drill is None:
        cure = f"write {case.drill}.toml in the room's drills, or name an existing one"
        yield problem_at(case.path, "drill", f"no drill is called {case.drill!r}", cure)
    elif case.id not in drill.cases:
        cure = f"add {case.id} to its cases, or name the drill that proves it"
        yield problem_at(case.path, "drill", f"{drill.id} does not prove {case.id}", cure)


def _metric(metric: Metric, path: Path) -> Iterator[Problem]:
    about = f"metric {metric.id}"
    if (metric.measure is Measure.EVENT_RATE) is not bool(metric.events):
        cure = 'give events with measure = "event_rate", and with no other'
        yield problem_at(path, "metric", f"{about}: its events do not fit its measure", cure)
    if (metric.measure is Measure.OPT_OUT_RATE) is not bool(metric.reasons):
        cure = 'give reasons with measure = "opt_out_rate", and with no other'
        yield problem_at(path, "metric", f"{about}: its reasons do not fit its measure", cure)
    if (metric.measure is Measure.LATE_RATE) is not (metric.late_after_s > 0):
        cure = 'give late_after_s with measure = "late_rate", and with no other'
        yield problem_at(path, "metric", f"{about}: nothing says what is late", cure)
    if metric.gauge and metric.measure is not None:
        cure = "leave its measure out: the room measures a gauge itself"
        yield problem_at(path, "metric", f"{about}: a gauge is not counted from the ledger", cure)
    if metric.measure in SHARES and not 0 < metric.target < 1:
        cure = "give the target as a ratio, such as 0.98"
        yield problem_at(path, "metric", f"{about}: a share's target is between 0 and 1", cure)


def _drill(drill: Drill, room: RoomRunbook, known_steps: frozenset[str]) -> Iterator[Problem]:
    if not drill.act:
        yield problem_at(drill.path, "title", f"{drill.id} does nothing", "add an [[act]]")
    if not drill.expect.given:
        yield problem_at(drill.path, "title", f"{drill.id} expects nothing", "add an [expect]")
    if not drill.cases and not drill.seed and not drill.expect.alert:
        cure = "list the cases it proves, the seed's items it shows, or the alerts it fires"
        yield problem_at(drill.path, "title", f"{drill.id} proves nothing", cure)
    cases, rules = {c.id for c in room.cases}, {rule.id for rule in room.overview.alerts}
    for expect in (drill.expect, drill.recovered):
        yield from _unknown(drill, "case", {expect.case} - {None}, cases)
        yield from _unknown(drill, "never", expect.never, cases)
        yield from _unknown(drill, "alert", expect.alert, rules)
        yield from _unknown(drill, "steps", expect.steps, known_steps)
    yield from _unknown(drill, "cases", drill.cases, cases)
    for name in drill.cases:
        if name in cases and name not in (drill.expect.case, drill.recovered.case):
            cure = f"set case = {name!r} in [expect]"
            yield problem_at(drill.path, "cases", f"{drill.id} claims {name} unseen", cure)


def _unknown(
    drill: Drill, key: str, names: Iterable[str | None], known: Collection[str]
) -> Iterator[Problem]:
    for name in names:
        if name not in known:
            text = f"{drill.id}: {key} names {name!r}, which does not exist"
            yield problem_at(drill.path, key, text, "name one that does")


def _review(path: Path, reviewed: date, next_review: date, today: date) -> Iterator[Problem]:
    if next_review <= reviewed:
        text = "the next review is not after the last"
        yield problem_at(path, "next_review", text, "set next_review a quarter later")
    if today > next_review:
        text = f"the review is overdue since {next_review}"
        cure = "read it against the provider's pages, then move reviewed and next_review"
        yield problem_at(path, "next_review", text, cure, warning=True)


def _find(drills: Iterable[Drill], name: str | None) -> Drill | None:
    return next((drill for drill in drills if name in (drill.name, drill.id)), None)
