"""Counts the ledger ahead: five minutes of the platform, hours and days of each credential.

A bucket is counted anew whenever something in it may have changed, never added to: folding twice,
or dying in between, changes nothing. Nothing is written when a message moves; what moved after its
bucket was counted is found by the timeline, which tells of every change in its own transaction.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mentalspace.engine.db import Connection, Database
from mentalspace.engine.log import get_logger
from mentalspace.engine.rates_sql import GROWN_AFTER_S, HOURS_KEPT_S
from mentalspace.engine.rollup_sql import (
    COUNT_DAYS,
    COUNT_FIVE_MINUTES,
    COUNT_HOURS,
    FORGET,
    FORGET_DAYS,
    MARK,
    REACH,
)
from mentalspace.engine.runbook import Measure, Runbooks
from mentalspace.engine.spread import DOWNWARD
from mentalspace.kernel.case import Fault

FOLD_EVERY_S = 30.0
# The two shorter kinds stay for five weeks, the days for three years.
DAYS_KEPT_S = 3 * 365 * 86_400.0
# A backlog is worked off a day at a time, for so long at a stretch.
_STRETCH_S = 86_400.0
_LONGEST_S = 20.0
_LINES = 20_000
_HOUR, _FIVE_MINUTES = timedelta(hours=1), timedelta(minutes=5)
# Buckets no further apart are read in one go.
_NEAR = timedelta(hours=1)
# One fold at a time, wherever it runs.
FOLD_LOCK = 7_235_661_044
# Ten buckets or thousands: a plan kept from earlier folds was made for ten, and compares each
# message with each bucket. What is sorted and hashed is some ten thousand messages.
_PLANNING = "set local plan_cache_mode = force_custom_plan; set local work_mem = '64MB'"

log = get_logger(__name__)

# What was in flight when it was first read has settled once nobody older still writes.
_LOOK = """
select s.folded_until, s.read_id, s.seen_id, s.pending_id, s.rules, s.recounted_to,
       s.pending_xmax <= pg_snapshot_xmin(pg_current_snapshot()) as settled,
       app.now() - $1 * interval '1 s' as horizon
  from rollup_state s
"""
# The first thing that settled after a moment.
_NEXT = """
select min(x.at) from credential c cross join lateral (
    (select coalesce(d.accepted_at, d.ended_at) as at from delivery d
      where d.credential_id = c.id and coalesce(d.accepted_at, d.ended_at) > $1
      order by 1 limit 1)
    union all
    (select a.finished_at from attempt a
      where a.credential_id = c.id and a.finished_at > $1 order by 1 limit 1)) x
"""
_BEGIN = """
update rollup_state set folded_until = $1, rules = $2, read_id = last.id, seen_id = last.id,
  pending_id = last.id, pending_xmax = pg_snapshot_xmax(pg_current_snapshot())
  from (select coalesce(max(id), 0) as id from timeline) last
"""
_NEXT_LINES = """
select coalesce(max(id), $1) as id, count(*) as number
  from (select id from timeline where id > $1 order by id limit $2) t
"""
# The moment is asked for after the lines were read: who wrote any of them began before it.
_KEEP = """
update rollup_state set folded_until = $1, read_id = $2, rules = $3, recounted_to = $4,
  seen_id = case when $5 then pending_id else seen_id end,
  pending_id = case when $5 then $2 else pending_id end,
  pending_xmax = case when $5 then pg_snapshot_xmax(pg_current_snapshot()) else pending_xmax end
"""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the runbooks say of counting: whose fault a case is, which events and reasons count."""

    recipient: list[str]
    theirs: list[str]
    reasons: list[str]
    metrics: list[str]
    events: list[str]

    @property
    def digest(self) -> str:
        said = [self.recipient, self.theirs, self.reasons, self.metrics, self.events, DOWNWARD]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def rules_of(runbooks: Runbooks) -> Rules:
    metrics = [metric for room in runbooks.rooms for metric in room.overview.metrics]
    told = [(m.id, event) for m in metrics if m.measure is Measure.EVENT_RATE for event in m.events]
    return Rules(
        recipient=sorted(c.id for c in runbooks.cases if c.fault is Fault.RECIPIENT),
        theirs=sorted(c.id for c in runbooks.cases if c.fault is Fault.THEIRS),
        reasons=sorted({reason for metric in metrics for reason in metric.reasons}),
        metrics=[metric_id for metric_id, _ in told],
        events=[event for _, event in told],
    )


@dataclass(frozen=True, slots=True)
class Stretch:
    """From just after one moment up to another."""

    after: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Folder:
    """`lines` is how many lines of the timeline are looked through at once."""

    database: Database
    runbooks: Runbooks
    lines: int = _LINES

    async def tick(self) -> int:
        """Count what has changed, for a while at most; how many buckets. Skips if another does."""
        rules = rules_of(self.runbooks)
        counted, ends = 0, time.monotonic() + _LONGEST_S
        while time.monotonic() < ends:
            async with self.database.as_dispatcher() as connection:
                step = await fold_once(connection, rules, self.lines)
            counted += step.buckets
            if not step.more:
                break
        return counted


@dataclass(frozen=True, slots=True)
class Step:
    buckets: int
    more: bool


async def fold_once(connection: Connection, rules: Rules, lines: int = _LINES) -> Step:
    """One transaction's worth, as the dispatcher: whole or not at all."""
    if not await connection.fetchval("select pg_try_advisory_xact_lock($1)", FOLD_LOCK):
        return Step(0, more=False)
    await connection.execute(_PLANNING)
    state = await connection.fetchrow(_LOOK, GROWN_AFTER_S)
    assert state is not None
    if state["folded_until"] is None:
        oldest = state["horizon"] - timedelta(seconds=DAYS_KEPT_S)
        await connection.execute(_BEGIN, oldest, rules.digest)
        return Step(0, more=True)
    read = await connection.fetchrow(_NEXT_LINES, state["read_id"], lines)
    assert read is not None
    news = await _stretch(connection, state["folded_until"], state["horizon"])
    again = await _recount(connection, state, rules)
    changed = _changed(state, [news, *again], read["id"])
    buckets = await _count(connection, rules, changed, news.until)
    recounted_to = next((each.until for each in again if each.until < news.after), None)
    settled: bool = state["settled"]
    await connection.execute(_KEEP, news.until, read["id"], rules.digest, recounted_to, settled)
    if news.until.date() > news.after.date():
        await _forget(connection)
    behind = news.until < state["horizon"] or read["number"] == lines or recounted_to is not None
    return Step(buckets, more=behind)


async def _stretch(connection: Connection, after: datetime, end: datetime) -> Stretch:
    """A day's worth at most; where nothing happened, time is no work."""
    longest = timedelta(seconds=_STRETCH_S)
    if end <= after + longest:
        return Stretch(after, max(after, end))
    next_at: datetime | None = await connection.fetchval(_NEXT, after)
    return Stretch(after, end if next_at is None else min(end, next_at + longest))


async def _recount(connection: Connection, state: Any, rules: Rules) -> list[Stretch]:
    """What is to be counted anew because the runbooks judge differently since it was counted."""
    after = state["recounted_to"]
    if state["rules"] != rules.digest:
        after = state["horizon"] - timedelta(seconds=DAYS_KEPT_S)
    if after is None or after >= state["folded_until"]:
        return []
    return [await _stretch(connection, after, state["folded_until"])]


def _changed(state: Any, stretches: Sequence[Stretch], read_id: int) -> tuple[Any, ...]:
    """Where to look for what may have changed: what MARK and REACH take."""
    again = state["pending_id"] if state["settled"] else state["seen_id"]
    return (
        [stretch.after for stretch in stretches],
        [stretch.until for stretch in stretches],
        state["read_id"],
        read_id,
        state["seen_id"],
        again,
        state["folded_until"],
    )


async def _count(
    connection: Connection, rules: Rules, changed: tuple[Any, ...], until: datetime
) -> int:
    """Count every bucket that may have changed; how many."""
    marks = await connection.fetch(MARK, *changed)
    if not marks:
        return 0
    await connection.execute(REACH, *changed)
    hours = [(m["credential_id"], m["hour"]) for m in marks if m["hour"]]
    days = [(m["credential_id"], m["day"]) for m in marks if m["day"]]
    fives = [(f"{m['integration']}/{m['provider']}", m["five"]) for m in marks if m["five"]]
    now = await connection.fetchval("select app.now()")
    short = now - timedelta(seconds=HOURS_KEPT_S)
    said = (until, rules.recipient, rules.theirs, rules.reasons, rules.metrics, rules.events)
    hours = [key for key in hours if key[1] >= short]
    fives = [key for key in fives if key[1] >= short]
    for statement, keys, runs in (
        (COUNT_HOURS, hours, runs_of(hours, _HOUR)),
        (COUNT_DAYS, days, None),
        (COUNT_FIVE_MINUTES, fives, runs_of(fives, _FIVE_MINUTES)),
    ):
        if keys:
            whose, when = zip(*keys, strict=True)
            where = () if runs is None else tuple(map(list, zip(*runs, strict=True)))
            asked = (list(whose), list(when), *said, DOWNWARD, *where)
            await connection.execute(statement, *asked)
    return len(marks)


def runs_of(
    keys: Iterable[tuple[Any, datetime]], length: timedelta
) -> list[tuple[Any, datetime, datetime]]:
    """Whose buckets lie where: those near each other as one stretch, which is read in one go."""
    runs: list[tuple[Any, datetime, datetime]] = []
    for whose, at in sorted(keys):
        if runs and runs[-1][0] == whose and at <= runs[-1][2] + _NEAR:
            runs[-1] = (whose, runs[-1][1], at + length)
        else:
            runs.append((whose, at, at + length))
    return runs


async def _forget(connection: Connection) -> None:
    for statement in FORGET:
        await connection.execute(statement, HOURS_KEPT_S)
    await connection.execute(FORGET_DAYS, DAYS_KEPT_S)
