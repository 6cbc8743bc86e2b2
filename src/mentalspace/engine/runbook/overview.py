"""What a room promises: purpose, settings, metrics with targets, and the alerts on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

from mentalspace.engine.runbook.problem import Problem
from mentalspace.engine.runbook.read import Source, Table
from mentalspace.kernel.case import Severity


class Op(StrEnum):
    ABOVE = ">"
    BELOW = "<"


class AlertKind(StrEnum):
    # Deliveries that failed one after another for one credential, each of another
    # recipient, and none by the recipient's fault; retries of one delivery count once.
    CONSECUTIVE = "consecutive"
    # Attempts that met one of `cases` since the last success.
    CASE = "case"
    # A metric on the wrong side of a line.
    RATE = "rate"


class AlertState(StrEnum):
    LIVE = "live"
    DECLARED = "declared"  # written down, not yet evaluated


@dataclass(frozen=True, slots=True)
class Setting:
    """One name of the environment; `secret` values are never shown."""

    name: str
    meaning: str
    default: str | None
    secret: bool


@dataclass(frozen=True, slots=True)
class Endpoint:
    title: str
    request: str


@dataclass(frozen=True, slots=True)
class Metric:
    """`unit` is `ratio` (0 to 1) or `s`; on target means `value op target`."""

    id: str
    title: str
    unit: str
    op: Op
    target: float


@dataclass(frozen=True, slots=True)
class AlertRule:
    """When to open an incident. `action` is what the page tells a person to do first.

    `resolves_after` is how many successes in a row end it. `drill` names a drill of the room.
    """

    id: str
    title: str
    kind: AlertKind
    threshold: float | None
    cases: tuple[str, ...]
    metric: str | None
    op: Op | None
    severity: Severity
    action: str
    resolves_after: int
    drill: str | None
    state: AlertState


@dataclass(frozen=True, slots=True)
class Overview:
    room: str
    title: str
    provider: str
    purpose: str
    sla: str
    cost: str
    edge_function: str
    authentication: str
    configuration: tuple[Setting, ...]
    endpoints: tuple[Endpoint, ...]
    metrics: tuple[Metric, ...]
    alerts: tuple[AlertRule, ...]
    version: str
    owner: str
    reviewed: date
    next_review: date
    path: Path


def parse_overview(
    values: Mapping[str, object], source: Source, *, room: str, problems: list[Problem]
) -> Overview | None:
    """The overview, or None once its mistakes are in `problems`."""
    before = len(problems)
    table = Table(values, source, problems)
    overview = Overview(
        room=room,
        title=table.text("title"),
        provider=table.text("provider"),
        purpose=table.text("purpose"),
        sla=table.text("sla"),
        cost=table.text("cost"),
        edge_function=table.text("edge_function"),
        authentication=table.text("authentication"),
        configuration=tuple(_setting(inner) for inner in table.tables("configuration")),
        endpoints=tuple(_endpoint(inner) for inner in table.tables("endpoint")),
        metrics=tuple(_metric(inner) for inner in table.tables("metric")),
        alerts=tuple(_alert(inner) for inner in table.tables("alert")),
        version=table.text("version"),
        owner=table.text("owner"),
        reviewed=table.day("reviewed"),
        next_review=table.day("next_review"),
        path=source.path,
    )
    table.done()
    return overview if len(problems) == before else None


def _setting(table: Table) -> Setting:
    setting = Setting(
        name=table.text("name"),
        meaning=table.text("meaning"),
        default=table.maybe_text("default"),
        secret=bool(table.maybe_flag("secret")),
    )
    table.done()
    return setting


def _endpoint(table: Table) -> Endpoint:
    endpoint = Endpoint(title=table.text("title"), request=table.text("request"))
    table.done()
    return endpoint


def _metric(table: Table) -> Metric:
    metric = Metric(
        id=table.text("id"),
        title=table.text("title"),
        unit=table.text("unit"),
        op=table.one_of("op", Op),
        target=table.number("target"),
    )
    table.done()
    return metric


def _alert(table: Table) -> AlertRule:
    rule = AlertRule(
        id=table.text("id"),
        title=table.text("title"),
        kind=table.one_of("kind", AlertKind),
        threshold=table.maybe_number("threshold"),
        cases=table.texts("cases"),
        metric=table.maybe_text("metric"),
        op=table.one_of("op", Op) if table.has("op") else None,
        severity=table.one_of("severity", Severity),
        action=table.text("action"),
        resolves_after=table.whole("resolves_after", 1),
        drill=table.maybe_text("drill"),
        state=table.one_of("state", AlertState, AlertState.LIVE),
    )
    table.done()
    return rule
