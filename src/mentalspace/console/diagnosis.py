"""Runs the runbook's own diagnosis queries for whoever is looking at an incident."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from mentalspace.console.door import Visit
from mentalspace.engine.runbook import Check, CheckKind, Issue
from mentalspace.kernel.case import ErrorCase

TIMEOUT_MS = 2000
ROWS = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What one query gave. `more` rows were left out; `problem` says why there are none."""

    issue: Issue
    title: str
    sql: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    more: int = 0
    problem: str | None = None


async def diagnose(visit: Visit, case: ErrorCase | None) -> list[Answer]:
    """Every SQL check of the issues that name this case, each in a transaction of its own.

    As the visitor's role, read-only and with little time: a query that is slow or wrong says
    so and takes nothing else down.
    """
    if case is None:
        return []
    issues = visit.services.runbooks.room(case.integration).issues
    return [
        await _run(visit, issue, check)
        for issue in issues
        if case.id in issue.cases
        for check in issue.diagnosis
        if check.kind is CheckKind.SQL
    ]


async def _run(visit: Visit, issue: Issue, check: Check) -> Answer:
    try:
        async with visit.reading() as connection:
            await connection.execute(
                "select set_config('transaction_read_only', 'on', true),"
                " set_config('statement_timeout', $1, true)",
                str(TIMEOUT_MS),
            )
            found = await connection.fetch(check.run)
    except asyncpg.QueryCanceledError:
        problem = f"It took longer than {TIMEOUT_MS // 1000} s and was stopped."
        return Answer(issue, check.title, check.run, problem=problem)
    except asyncpg.PostgresError as error:
        # The type alone: a message may quote a value.
        problem = f"It could not be run ({type(error).__name__})."
        return Answer(issue, check.title, check.run, problem=problem)
    return Answer(
        issue,
        check.title,
        check.run,
        tuple(found[0].keys()) if found else (),
        tuple(tuple(_cell(value) for value in row.values()) for row in found[:ROWS]),
        max(0, len(found) - ROWS),
    )


def _cell(value: Any) -> str:
    match value:
        case None:
            return "–"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S} UTC"
        case bytes() | memoryview():
            return "(sealed)"
        case list() | tuple():
            return ", ".join(_cell(item) for item in _plain(value))
    return str(value)


def _plain(value: Sequence[Any]) -> Sequence[Any]:
    return value[:ROWS]
