"""What the tests of rules share: one rule of each kind, for the toy room."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from mentalspace.engine.runbook import (
    AlertKind,
    AlertRule,
    BurnWindow,
    Price,
)
from tests.engine.books import LOW, Books

MINUTE, HOUR, WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(weeks=1)
ALWAYS = [[0, 1440]] * 7


def rule(kind: AlertKind, threshold: float, **changes: Any) -> AlertRule:
    base = replace(LOW, id=f"toy.{kind.value}", kind=kind, threshold=threshold, metric=None)
    return replace(base, op=None, resolves_after=0, **changes)


BURN = replace(
    rule(AlertKind.BURN, 3, healthy=0.98, windows=(BurnWindow(3600, 300, 14.4),)),
    metric="toy.delivered",
)
ABSENT = rule(AlertKind.ABSENCE, 7)
COST = rule(AlertKind.COST, 2, floor=1.0, window_s=900.0)
STANDS = rule(AlertKind.QUEUE_AGE, 1800, pending_s=120.0)
OPEN = rule(AlertKind.BREAKER, 600)
SILENT = rule(AlertKind.CALLBACKS, 3, window_s=1800.0)
FAILING = rule(AlertKind.CONSECUTIVE, 3, severity=LOW.severity)


def with_rules(books: Books, *rules: AlertRule) -> Books:
    [room] = books.books.rooms
    overview = replace(room.overview, alerts=rules, price=Price(0.01, "USD", "https://acme"))
    books.books = replace(books.books, rooms=(replace(room, overview=overview),))
    return books


async def opened(books: Books) -> list[str]:
    rows = await books.admin.fetch("select rule_id from incident order by opened_at, rule_id")
    return [row["rule_id"] for row in rows]
