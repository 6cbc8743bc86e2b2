"""Where a rule draws its line, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from mentalspace.engine.runbook.overview import AlertKind, AlertRule, Op, Overview


def rule_line(rule: AlertRule, overview: Overview) -> str:
    """`under 95% in 1 h, and less likely than 1 in 1,000 at a healthy 98%`."""
    return _LINES[rule.kind](rule, overview)


def length(seconds: float) -> str:
    """`30 s`, `15 min`, `6 h`, `7 days`."""
    for name, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size and not seconds % size and (name != "days" or seconds > size):
            return f"{seconds / size:g} {name}"
    return f"{seconds:g} s"


def _rate(rule: AlertRule, overview: Overview) -> str:
    side = "under" if rule.op is Op.BELOW else "over"
    line = f"{side} {_percent(rule.threshold)} in {length(rule.window_s)}"
    return f"{line}, and less likely than 1 in 1,000 at a healthy {_healthy(rule, overview)}"


def _burn(rule: AlertRule, overview: Overview) -> str:
    pairs = ", or ".join(
        f"{w.times:g} times the budget in {length(w.long_s)} and still in {length(w.short_s)}"
        for w in rule.windows
    )
    people = f"{rule.threshold or 1:g} people or more"
    return f"{pairs}; to {people}, and beyond chance at a healthy {_healthy(rule, overview)}"


def _healthy(rule: AlertRule, overview: Overview) -> str:
    metric = overview.metric(rule.metric)
    target = metric.target if metric else None
    return _percent(target if rule.healthy is None else rule.healthy)


def _absence(rule: AlertRule, _overview: Overview) -> str:
    least = f"{rule.threshold or 7:g} or more"
    return f"none in {length(rule.window_s)} of opening hours in which {least} are usual"


def _cost(rule: AlertRule, overview: Overview) -> str:
    currency = overview.price.currency if overview.price else ""
    times = f"over {rule.threshold or 2:g} times the usual of this weekday"
    return f"{times} and {rule.floor:g} {currency} above it, today or in {length(rule.window_s)}"


def _gauge(rule: AlertRule, overview: Overview) -> str:
    metric = overview.metric(rule.metric)
    side = "under" if rule.op is Op.BELOW else "over"
    in_percent = metric is None or metric.unit == "ratio"
    bound = f"{rule.threshold or 0:g} {metric.unit if metric else ''}"
    line = f"{side} {_percent(rule.threshold) if in_percent else bound}"
    if rule.floor:
        line += f", and at least {rule.floor:,.0f} of it"
    if rule.healthy is not None:
        line += f", and less likely than 1 in 1,000 at a healthy {_healthy(rule, overview)}"
    return line


def _percent(share: float | None) -> str:
    return "no share" if share is None else f"{share * 100:g}%"


Line: TypeAlias = Callable[[AlertRule, Overview], str]

_LINES: Mapping[AlertKind, Line] = MappingProxyType(
    {
        AlertKind.CONSECUTIVE: lambda rule, _o: f"{rule.threshold:g} in a row, to as many people",
        AlertKind.UNDELIVERED: lambda rule, _o: (
            f"{rule.threshold:g} taken and not brought in {length(rule.window_s)}, whatever arrived"
            if rule.despite_arrivals
            else f"{rule.threshold:g} taken and not brought in a row, to as many people"
        ),
        AlertKind.REFUSED: lambda rule, _o: (
            f"{rule.threshold:g} refused by our own rules in a row, to as many people"
        ),
        AlertKind.CASE: lambda rule, _o: f"{rule.threshold:g} since the last success",
        AlertKind.PAUSED: lambda _rule, _o: "any lane that stands still for it",
        AlertKind.RATE: _rate,
        AlertKind.BURN: _burn,
        AlertKind.ABSENCE: _absence,
        AlertKind.COST: _cost,
        AlertKind.QUEUE_AGE: lambda rule, _o: f"waits for {length(rule.threshold or 0)}",
        AlertKind.BREAKER: lambda rule, _o: f"open for {length(rule.threshold or 0)}",
        AlertKind.CALLBACKS: lambda rule, _o: (
            f"{rule.threshold or 3:g} or more taken since the last callback,"
            f" over {length(rule.window_s)} ago; or heard of late, or not, as asking shows"
        ),
        AlertKind.LOST_CALLBACKS: lambda rule, _o: (
            f"over {_percent(rule.threshold)} of {length(rule.window_s)} known by asking alone,"
            " while others are called back about; and less likely than 1 in 1,000 at a healthy"
            f" {_percent(rule.healthy)}"
        ),
        AlertKind.GAUGE: _gauge,
    }
)
