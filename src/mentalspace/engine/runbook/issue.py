"""A common issue: symptoms, a diagnosis that runs, its resolution and how to prevent it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

from mentalspace.engine.runbook.problem import Problem
from mentalspace.engine.runbook.read import Source, Table

# The checks a diagnosis may name: `provider` is the adapter's own harmless call, `room` what the
# room itself looks at, such as a sending domain. The doctor makes both.
CHECKS = frozenset({"provider", "room"})


class CheckKind(StrEnum):
    SQL = "sql"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class Check:
    """One step of a diagnosis: `run` is SQL to be executed verbatim, or a check's name.

    What is `on_screen` shows its rows in the doctor's one screen.
    """

    kind: CheckKind
    run: str
    title: str
    on_screen: bool = False


@dataclass(frozen=True, slots=True)
class Issue:
    id: str
    title: str
    symptoms: tuple[str, ...]
    diagnosis: tuple[Check, ...]
    resolution: tuple[str, ...]
    prevention: tuple[str, ...]
    cases: tuple[str, ...]
    version: int
    owner: str
    reviewed: date
    next_review: date
    body: str
    room: str
    path: Path


def parse_issue(
    head: Mapping[str, object], source: Source, body: str, *, room: str, problems: list[Problem]
) -> Issue | None:
    """The issue, or None once its mistakes are in `problems`."""
    before = len(problems)
    table = Table(head, source, problems)
    issue = Issue(
        id=table.text("id"),
        title=table.text("title"),
        symptoms=table.texts("symptoms", required=True),
        diagnosis=tuple(_check(inner) for inner in table.tables("diagnosis")),
        resolution=table.texts("resolution", required=True),
        prevention=table.texts("prevention", required=True),
        cases=table.texts("cases"),
        version=table.whole("version"),
        owner=table.text("owner"),
        reviewed=table.day("reviewed"),
        next_review=table.day("next_review"),
        body=body,
        room=room,
        path=source.path,
    )
    table.done()
    return issue if len(problems) == before else None


def _check(table: Table) -> Check:
    title = table.text("title")
    sql, check = table.maybe_text("sql"), table.maybe_text("check")
    if (sql is None) == (check is None):
        table.problem("title", "a diagnosis needs one thing to run", "give either sql or check")
    if check is not None and check not in CHECKS:
        table.problem("check", f"unknown check {check!r}", f"use {', '.join(sorted(CHECKS))}")
    on_screen = bool(table.maybe_flag("on_screen"))
    table.done()
    if sql is not None:
        return Check(CheckKind.SQL, sql.strip(), title, on_screen)
    return Check(CheckKind.CHECK, check or "", title)
