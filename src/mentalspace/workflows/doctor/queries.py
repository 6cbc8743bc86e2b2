"""Runs a runbook's own diagnosis queries: read-only, with little time, as whoever looks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import Check, Issue

TIMEOUT_MS = 2000
ROWS = 20
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Reading = Callable[[], AbstractAsyncContextManager[Connection]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one query gave. `more` rows were left out; `problem` says why there are none.

    `narrow` are the columns that hold something a person reads: no ids, not empty throughout.
    """

    issue: Issue
    title: str
    sql: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    more: int = 0
    problem: str | None = None
    narrow: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return len(self.rows) + self.more

    def narrowed(self, most: int) -> Answer:
        """The narrow columns of the first rows."""
        places = [self.columns.index(name) for name in self.narrow]
        rows = tuple(tuple(row[n] for n in places) for row in self.rows[:most])
        return replace(self, columns=self.narrow, rows=rows, more=self.count - len(rows))

    def public(self) -> dict[str, Any]:
        return {
            "issue": self.issue.id,
            "title": self.title,
            "sql": self.sql,
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
            "more": self.more,
            "problem": self.problem,
        }


async def run_check(reading: Reading, issue: Issue, check: Check) -> Answer:
    """In a transaction of its own: a query that is slow or wrong takes nothing else down."""
    try:
        async with reading() as connection:
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
        tuple(tuple(cell(value) for value in row.values()) for row in found[:ROWS]),
        max(0, len(found) - ROWS),
        narrow=_narrow(found),
    )


def cell(value: Any) -> str:
    match value:
        case None:
            return "–"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S} UTC"
        case bytes() | memoryview():
            return "(sealed)"
        case list() | tuple():
            return ", ".join(cell(item) for item in _plain(value))
    return str(value)


def _plain(value: Sequence[Any]) -> Sequence[Any]:
    return value[:ROWS]


def _narrow(found: Sequence[Any]) -> tuple[str, ...]:
    columns = found[0].keys() if found else ()
    return tuple(
        name
        for name in columns
        if any(row[name] is not None and not _is_id(row[name]) for row in found)
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, UUID) or (isinstance(value, str) and bool(_ID.fullmatch(value)))
