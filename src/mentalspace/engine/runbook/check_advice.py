"""What a person is told to do first: it is there where nothing ends by itself, and can be said."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mentalspace.engine.runbook.book import RoomRunbook
from mentalspace.engine.runbook.overview import AlertKind, AlertRule, AlertState
from mentalspace.engine.runbook.problem import Problem
from mentalspace.engine.runbook.read import problem_at
from mentalspace.kernel.case import Disposition, ErrorCase, Fault

# What `now` may name in braces.
PLACES = frozenset({"provider", "practice", "endpoint"})
# The buttons of an incident, and the credential's page.
BUTTONS = frozenset(
    {"pause", "hold", "stop_trying", "switch", "resume", "replay", "secret", "test_mode_off"}
)
LONGEST = 180
# No case stands behind what they find, so that nothing else could say what to do.
_ALONE = frozenset(
    {
        AlertKind.UNDELIVERED,
        AlertKind.CALLBACKS,
        AlertKind.GAUGE,
        AlertKind.COST,
        AlertKind.QUEUE_AGE,
        AlertKind.ABSENCE,
    }
)
_PLACE = re.compile(r"\{([^{}]*)\}")


def check_advice(room: RoomRunbook) -> Iterator[Problem]:
    for case in room.cases:
        for text, cure in (*_of_case(case), *_said(case.now, case.press)):
            yield problem_at(case.path, "id", f"{case.id} {text}", cure)
    for rule in room.overview.alerts:
        for text, cure in (*_of_rule(rule), *_said(rule.now, rule.press)):
            yield problem_at(room.overview.path, "alert", f"alert {rule.id} {text}", cure)


def _of_case(case: ErrorCase) -> Iterator[tuple[str, str]]:
    waits = case.disposition is Disposition.WAIT and case.wait_s is None
    if waits and case.fault is Fault.OURS and case.now is None:
        cure = "add now, the one thing that a person does"
        yield "stops a lane until somebody acts, and does not say what to do", cure


def _of_rule(rule: AlertRule) -> Iterator[tuple[str, str]]:
    if rule.state is AlertState.LIVE and rule.kind in _ALONE and rule.now is None:
        yield "has no case behind it, and does not say what to do", "add now, in one line"


def _said(now: str | None, press: str | None) -> Iterator[tuple[str, str]]:
    if press is not None and press not in BUTTONS:
        yield f"has no button {press!r} to press", f"use {', '.join(sorted(BUTTONS))}"
    if now is None:
        if press is not None:
            yield "names a button and does not say why", "add now"
        return
    if len(now) > LONGEST or not now.endswith("."):
        yield "says what to do now in no short sentence", f"up to {LONGEST} characters and a stop"
    for place in _PLACE.findall(now):
        if place not in PLACES:
            yield f"names {{{place}}} in now", f"use {', '.join(sorted(PLACES))}"
