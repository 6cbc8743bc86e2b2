"""What an alert rule must hold: what its kind needs, a drill that fires it, an honest target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

from mentalspace.engine.runbook.book import RoomRunbook
from mentalspace.engine.runbook.overview import (
    SHARES,
    AlertKind,
    AlertRule,
    AlertState,
    Metric,
    Op,
)
from mentalspace.engine.runbook.problem import Problem
from mentalspace.engine.runbook.read import problem_at
from mentalspace.kernel.case import Severity

# What is wrong, and the cure.
Finding: TypeAlias = tuple[str, str]


def check_rule(rule: AlertRule, room: RoomRunbook) -> Iterator[Problem]:
    for text, cure in (*_names(rule, room), *_BY_KIND[rule.kind](rule, room), *_drill(rule, room)):
        yield problem_at(room.overview.path, "alert", f"alert {rule.id} {text}", cure)


def check_critical(room: RoomRunbook) -> Iterator[Problem]:
    """A case that brings a feature down wakes somebody: some rule watches it by name."""
    live = [rule for rule in room.overview.alerts if rule.state is AlertState.LIVE]
    watched = {case for rule in live for case in rule.cases}
    for case in room.cases:
        if case.severity is Severity.CRITICAL and case.id not in watched:
            cure = "add it to a rule of kind case or paused, or lower its severity"
            yield problem_at(case.path, "severity", f"{case.id} is critical and has no rule", cure)


def _names(rule: AlertRule, room: RoomRunbook) -> Iterator[Finding]:
    if rule.threshold is None:
        yield "has no threshold", "add one"
    cases = {case.id for case in room.cases}
    for name in rule.cases:
        if name not in cases:
            yield f"watches no case {name!r}", "name an existing case"
    for name in rule.keys:
        if name not in rule.cases or rule.kind is not AlertKind.CASE:
            yield (
                f"says that {name!r} is a refused key",
                "name one of its cases, of a rule on cases",
            )
    rules = {other.id for other in room.overview.alerts} - {rule.id}
    for name in rule.covered_by:
        if name not in rules:
            yield f"is covered by no rule {name!r}", f"name one of {', '.join(sorted(rules))}"
    if rule.covered_across and not rule.covered_by:
        yield "is covered across credentials by nothing", "add covered_by"
    if rule.despite_arrivals and rule.kind is not AlertKind.UNDELIVERED:
        yield "counts despite arrivals, which its kind cannot", "leave despite_arrivals out"
    if rule.issue is not None and room.issue(rule.issue) is None:
        cure = f"name one of {', '.join(issue.id for issue in room.issues) or 'none yet'}"
        yield f"has no issue {rule.issue!r}", cure


def _drill(rule: AlertRule, room: RoomRunbook) -> Iterator[Finding]:
    drill = next((d for d in room.drills if rule.drill in (d.name, d.id)), None)
    if rule.state is AlertState.LIVE and (drill is None or rule.id not in drill.expect.alert):
        yield "is fired by no drill", f"name a drill that expects alert = {rule.id!r}"


def _of_cases(rule: AlertRule, _room: RoomRunbook) -> Iterator[Finding]:
    if not rule.cases:
        yield "watches no case", "add cases"


def _plain(_rule: AlertRule, _room: RoomRunbook) -> Iterator[Finding]:
    return iter(())


def _rate(rule: AlertRule, room: RoomRunbook) -> Iterator[Finding]:
    """A share can be judged against chance; a time cannot, nor the better side of it."""
    metric = room.overview.metric(rule.metric)
    if metric is None or rule.op is None:
        known = ", ".join(sorted(metric.id for metric in room.overview.metrics))
        yield "watches no metric", f"give op, and metric as one of {known}"
        return
    yield from _share(rule, metric)
    if rule.state is AlertState.LIVE and metric.measure in SHARES and rule.op is metric.op:
        turned = Op.BELOW if metric.op is Op.ABOVE else Op.ABOVE
        yield f"fires on the good side of {metric.id}", f"turn op round: {turned}"


def _burn(rule: AlertRule, room: RoomRunbook) -> Iterator[Finding]:
    metric = room.overview.metric(rule.metric)
    if metric is None:
        known = ", ".join(sorted(metric.id for metric in room.overview.metrics))
        yield "watches no metric", f"give metric as one of {known}"
        return
    yield from _share(rule, metric)
    if not rule.windows:
        yield "has no windows", "add windows = [{ long_s = 3600, short_s = 300, times = 14.4 }]"
    for window in rule.windows:
        if not 0 < window.short_s < window.long_s or window.times <= 1:
            cure = "make short_s the shorter one, and times more than 1"
            yield f"has a window that cannot be: {window.long_s:g} and {window.short_s:g}", cure


def _share(rule: AlertRule, metric: Metric) -> Iterator[Finding]:
    if rule.state is not AlertState.LIVE:
        return
    if metric.measure not in SHARES:
        cure = f"give its metric a measure of {', '.join(sorted(SHARES))}"
        yield "watches a metric that is no share", cure
    elif rule.healthy != metric.target:
        cure = f"write healthy = {metric.target:g}, which is the target of {metric.id}"
        said = "nothing" if rule.healthy is None else f"{rule.healthy:g}"
        yield f"takes {said} for healthy, and its metric's target is {metric.target:g}", cure


def _gauge(rule: AlertRule, room: RoomRunbook) -> Iterator[Finding]:
    metric = room.overview.metric(rule.metric)
    if metric is None or rule.op is None or not metric.gauge:
        known = ", ".join(sorted(m.id for m in room.overview.metrics if m.gauge)) or "none yet"
        yield "watches no gauge", f"give op, and metric as one of {known}"
        return
    if rule.op is metric.op:
        turned = Op.BELOW if metric.op is Op.ABOVE else Op.ABOVE
        yield f"fires on the good side of {metric.id}", f"turn op round: {turned}"
    if rule.healthy is not None and rule.healthy != metric.target:
        cure = f"write healthy = {metric.target:g}, which is the target of {metric.id}"
        yield f"takes {rule.healthy:g} for healthy, and the target is {metric.target:g}", cure


def _cost(rule: AlertRule, room: RoomRunbook) -> Iterator[Finding]:
    if room.overview.price is None:
        yield "counts money without a price", "add a [price] to the overview"
    if rule.floor <= 0:
        yield "has no floor", "add floor, the money above the usual that is worth a look"


def _lost_callbacks(rule: AlertRule, _room: RoomRunbook) -> Iterator[Finding]:
    if rule.healthy is None or not 0 < rule.healthy < (rule.threshold or 0):
        yield "does not say which share is healthy", "add healthy, below its threshold"


Check: TypeAlias = Callable[[AlertRule, RoomRunbook], Iterator[Finding]]

_BY_KIND: Mapping[AlertKind, Check] = MappingProxyType(
    {
        AlertKind.CONSECUTIVE: _plain,
        AlertKind.CASE: _of_cases,
        AlertKind.PAUSED: _of_cases,
        AlertKind.REFUSED: _of_cases,
        AlertKind.RATE: _rate,
        AlertKind.BURN: _burn,
        AlertKind.ABSENCE: _plain,
        AlertKind.COST: _cost,
        AlertKind.QUEUE_AGE: _plain,
        AlertKind.BREAKER: _plain,
        AlertKind.CALLBACKS: _plain,
        AlertKind.LOST_CALLBACKS: _lost_callbacks,
        AlertKind.UNDELIVERED: _plain,
        AlertKind.GAUGE: _gauge,
    }
)
