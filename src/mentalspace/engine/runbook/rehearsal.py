"""A drill of the house itself: what a person does, step by step, and what must come of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mentalspace.engine.runbook.problem import Problem
from mentalspace.engine.runbook.read import Source, Table

HOUSE = "house"


@dataclass(frozen=True, slots=True)
class RehearsalStep:
    """`do` names an act that the code registers, `expect` the word for how it must end."""

    do: str
    expect: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """`id` is `house/name`: no room's provider is played, the running system is used. `proves` are
    rules of the house, each of which must open an incident of the drill's own."""

    id: str
    name: str
    title: str
    steps: tuple[RehearsalStep, ...]
    path: Path
    proves: tuple[str, ...] = ()


def parse_rehearsal(
    values: Mapping[str, object], source: Source, problems: list[Problem]
) -> Rehearsal | None:
    """The rehearsal, or None once its mistakes are in `problems`."""
    before = len(problems)
    table = Table(values, source, problems)
    rehearsal = Rehearsal(
        id=f"{HOUSE}/{source.path.stem}",
        name=source.path.stem,
        title=table.text("title"),
        steps=tuple(_step(inner) for inner in table.tables("step")),
        path=source.path,
        proves=table.texts("proves"),
    )
    table.done()
    if not rehearsal.steps:
        table.problem("title", f"{rehearsal.id} does nothing", "add a [[step]]")
    if len({step.do for step in rehearsal.steps}) < len(rehearsal.steps):
        table.problem("title", f"{rehearsal.id} does a step twice", "name each act once")
    return rehearsal if len(problems) == before else None


def _step(table: Table) -> RehearsalStep:
    step = RehearsalStep(table.text("do"), table.text("expect"))
    table.done()
    return step
