"""What is to be measured and alarmed in rooms that are not built yet: written down, no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mentalspace.engine.runbook.problem import Problem
from mentalspace.engine.runbook.read import Source, Table


@dataclass(frozen=True, slots=True)
class DeclaredMetric:
    """`target` in words, if the seed names one."""

    title: str
    target: str | None


@dataclass(frozen=True, slots=True)
class DeclaredAlert:
    title: str
    action: str


@dataclass(frozen=True, slots=True)
class DeclaredRoom:
    name: str
    title: str
    metrics: tuple[DeclaredMetric, ...]
    alerts: tuple[DeclaredAlert, ...]


def parse_declared(
    values: Mapping[str, object], source: Source, problems: list[Problem]
) -> tuple[DeclaredRoom, ...]:
    """Every room of the file; its mistakes are added to `problems`."""
    table = Table(values, source, problems)
    rooms = tuple(_room(each) for each in table.tables("room"))
    table.done()
    return rooms


def _room(table: Table) -> DeclaredRoom:
    room = DeclaredRoom(
        name=table.text("name"),
        title=table.text("title"),
        metrics=tuple(_metric(each) for each in table.tables("metric")),
        alerts=tuple(_alert(each) for each in table.tables("alert")),
    )
    table.done()
    return room


def _metric(table: Table) -> DeclaredMetric:
    metric = DeclaredMetric(title=table.text("title"), target=table.maybe_text("target"))
    table.done()
    return metric


def _alert(table: Table) -> DeclaredAlert:
    alert = DeclaredAlert(title=table.text("title"), action=table.text("action"))
    table.done()
    return alert
