"""Counts a room's metrics from the ledger: shares with their n, times with their spread."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import ceil, floor
from types import MappingProxyType
from typing import Any, TypeAlias
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.rates_sql import (
    CODES,
    COUNTS,
    EVENTS,
    EVENTS_OF_MANY,
    MANY,
    OPT_OUTS,
    REQUESTS,
    SPREADS,
    TIMES,
)
from mentalspace.engine.runbook import Measure, Metric, Of, Op, Overview
from mentalspace.engine.spread import DOWNWARD, Spread, percentile, slots, within

HOUR_S = 3_600.0
DAY_S = 86_400.0
MONTH_S = 30 * DAY_S
SPANS = (HOUR_S, DAY_S, MONTH_S)

# Below this a percentage says more than is known.
ENOUGH = 20
SHOWN_CODES = 4

# A credential, or None for all of them as one; and a span.
Key: TypeAlias = tuple[UUID | None, float]
# Credentials, spans, and whether the credentials are one.
Asked: TypeAlias = tuple[list[UUID], list[float], bool]


@dataclass(frozen=True, slots=True)
class Counts:
    """What of a span's messages is old enough to judge, and how it ended.

    `accepted` is all the provider took, `units` what that weighed, `sent` what it may have spoken
    of by now, `young` the part that is not judged yet; `recipient` ended by the recipient's own
    fault, `failed` by ours or the provider's.
    """

    accepted: int = 0
    units: int = 0
    sent: int = 0
    young: int = 0
    delivered: int = 0
    silent: int = 0
    recipient: int = 0
    failed: int = 0
    late: int = 0
    first_failed_at: datetime | None = None
    send: Times | None = None
    way: Times | None = None
    requests: int = 0
    theirs: int = 0


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: average, median, 95th percentile; and how many of `n` were under their target."""

    n: int
    average: float
    p50: float
    p95: float
    prompt: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric over one span. A share is `hits` of `n`; a time's value is its average.

    `codes` says how often each of a provider's codes stands behind a share of failures.
    """

    metric: Metric
    span_s: float
    hits: int
    n: int
    value: float | None
    times: Times | None = None
    first_bad_at: datetime | None = None
    codes: Mapping[str, int] = field(default_factory=dict)

    @property
    def bad(self) -> int:
        """How many of `n` are on the side that the target keeps small."""
        return self.n - self.hits if self.metric.op is Op.ABOVE else self.hits

    @property
    def on_target(self) -> bool | None:
        """None where there are too few to say."""
        if self.value is None or (self.times is None and self.n < ENOUGH):
            return None
        target = self.metric.target
        return self.value > target if self.metric.op is Op.ABOVE else self.value < target

    @property
    def text(self) -> str:
        """`99.2% of 480`, `3 of 4`, `1.2 s of 480`, or that there is nothing yet."""
        if self.value is None:
            return "no data"
        if self.times is not None:
            return f"{self.value:.1f} s of {self.n:,}"
        if self.n < ENOUGH:
            return f"{self.hits} of {self.n}"
        return f"{self.percent} of {self.n:,}"

    @property
    def codes_text(self) -> str:
        """`30007 5, 30005 2 and 3 others`: the most frequent of a share's codes."""
        most = list(self.codes.items())[:SHOWN_CODES]
        others = sum(self.codes.values()) - sum(hits for _code, hits in most)
        text = ", ".join(f"{code} {hits}" for code, hits in most)
        return f"{text} and {others} others" if others else text

    @property
    def percent(self) -> str:
        """`99.95%`; rounded to the bad side, so that no share looks on target that is not."""
        if self.value is None:
            return "no data"
        hundredths = self.value * 10_000
        rounded = (
            floor(hundredths + 1e-9) if self.metric.op is Op.ABOVE else ceil(hundredths - 1e-9)
        )
        return f"{rounded / 100:g}%"


@dataclass(frozen=True, slots=True)
class Rates:
    """Everything counted, by credential and span."""

    counts: Mapping[Key, Counts]
    readings: Mapping[Key, Sequence[Reading]]

    def at(self, credential_id: UUID | None, span_s: float) -> Sequence[Reading]:
        return self.readings[credential_id, span_s]

    def reading(self, metric_id: str, credential_id: UUID | None, span_s: float) -> Reading:
        """LookupError for a metric that is not counted."""
        for reading in self.readings[credential_id, span_s]:
            if reading.metric.id == metric_id:
                return reading
        raise LookupError(f"{metric_id} is not counted")


async def read_rates(
    connection: Connection,
    overview: Overview,
    recipient_cases: Collection[str],
    credential_ids: Sequence[UUID],
    spans: Sequence[float],
    *,
    pooled: bool = False,
    only: Metric | None = None,
) -> Rates:
    """Count the overview's metrics for each credential, or for all of them as one.

    Runs as the dispatcher or as on-call. A drill's credential counts its own traffic, any other
    counts no drill's. With `only` a metric, nothing but what that one is made of is counted.
    """
    ids, keys = list(credential_ids), _keys(credential_ids, spans, pooled)
    asked = (ids, list(spans), pooled)
    wanted = overview.metrics if only is None else (only,)
    counts = await _count(connection, overview, asked, keys, list(recipient_cases), only)
    readings: dict[Key, list[Reading]] = {key: [] for key in keys}
    for metric in wanted:
        if metric.measure is None:
            continue
        more = await _more(connection, metric, asked)
        for key in keys:
            readings[key].append(judge(metric, key[1], counts[key], more.get(key, ())))
    return Rates(counts, readings)


def judge(metric: Metric, span_s: float, counts: Counts, rows: Rows = ()) -> Reading:
    """A metric by what was counted, and by the rows of its own question if it has one."""
    assert metric.measure is not None, f"{metric.id} is not counted"
    return _MEASURES[metric.measure](metric, span_s, counts, rows)


async def _count(
    connection: Connection,
    overview: Overview,
    asked: Asked,
    keys: Sequence[Key],
    recipient_cases: list[str],
    only: Metric | None,
) -> dict[Key, Counts]:
    """What all the measures are made of; of one metric no more than that one needs."""
    measure = only.measure if only else None
    messages: dict[Key, Any] = {}
    requests: dict[Key, Any] = {}
    times: dict[Key, dict[str, Any]] = {}
    if measure is None or measure in _OF_MESSAGES:
        messages = _found(await connection.fetch(COUNTS, *asked, recipient_cases))
    if measure is None or measure is Measure.AVAILABILITY:
        requests = _found(await connection.fetch(REQUESTS, *asked))
    if measure is None or measure in _OF_TIMES:
        times = await _read_times(connection, overview, asked)
    return {key: _counts(messages.get(key), requests.get(key), times.get(key)) for key in keys}


async def _read_times(
    connection: Connection, overview: Overview, asked: Asked
) -> dict[Key, dict[str, Any]]:
    """`send`, `way` and `late` of each key: to the letter of short spans, by slots of long ones."""
    send_s = overview.target(Measure.SEND_TIME)
    way_s = overview.target(Measure.DELIVERY_TIME)
    late_s = max((metric.late_after_s for metric in overview.metrics), default=0.0)
    found: dict[Key, dict[str, Any]] = {}
    for row in await connection.fetch(TIMES, *asked, send_s, way_s, late_s):
        found[row["credential_id"], row["span_s"]] = {
            "send": _times(row, "send"),
            "way": _times(row, "way"),
            "late": row["late"],
        }
    if max(asked[1]) > HOUR_S:
        for row in await connection.fetch(SPREADS, *asked, DOWNWARD):
            spread, which = slots(row["spread"] or {}), row["which"]
            times = found.setdefault((row["credential_id"], row["span_s"]), {})
            times[which] = times_of(spread, row["total"], send_s if which == "send" else way_s)
            if which == "way":
                times["late"] = sum(spread.values()) - within(spread, late_s)
    return found


def times_of(spread: Spread, total_s: float, target_s: float) -> Times | None:
    """A spread as times; its percentiles are true to within their slot. None of nothing."""
    n = sum(spread.values())
    p50, p95 = percentile(spread, 0.5), percentile(spread, 0.95)
    if p50 is None or p95 is None:
        return None
    return Times(n, total_s / n, p50, p95, within(spread, target_s))


async def _more(connection: Connection, metric: Metric, asked: Asked) -> dict[Key, list[Any]]:
    """The rows of the measures that have a question of their own."""
    match metric.measure:
        case Measure.EVENT_RATE:
            events = EVENTS_OF_MANY if len(asked[0]) > MANY else EVENTS
            rows = await connection.fetch(events, *asked, list(metric.events))
        case Measure.OPT_OUT_RATE:
            rows = await connection.fetch(OPT_OUTS, *asked, list(metric.reasons))
        case Measure.FAILURE_RATE:
            rows = await connection.fetch(CODES, *asked)
        case _:
            rows = []
    found: dict[Key, list[Any]] = {}
    for row in rows:
        found.setdefault((row["credential_id"], row["span_s"]), []).append(row)
    return found


def _keys(ids: Sequence[UUID], spans: Sequence[float], pooled: bool) -> list[Key]:
    whose: Sequence[UUID | None] = [None] if pooled else ids
    return [(credential_id, span_s) for credential_id in whose for span_s in spans]


def _found(rows: Sequence[Any]) -> dict[Key, Any]:
    return {(row["credential_id"], row["span_s"]): row for row in rows}


def _counts(row: Any | None, asked: Any | None, times: Mapping[str, Any] | None) -> Counts:
    of_messages = {} if row is None else {name: row[name] for name in _PLAIN}
    of_requests = {} if asked is None else {name: asked[name] for name in ("requests", "theirs")}
    return Counts(**of_messages, **of_requests, **(times or {}))


def _times(row: Any, name: str) -> Times | None:
    if not row[f"{name}_n"]:
        return None
    p50, p95 = row[f"{name}_p"]
    return Times(row[f"{name}_n"], row[f"{name}_avg"], p50, p95, row[f"{name}_prompt"])


# The measures ---------------------------------------------------------------------------------


def _share(
    metric: Metric, span_s: float, hits: int, n: int, first_bad_at: datetime | None = None
) -> Reading:
    value = hits / n if n else None
    return Reading(metric, span_s, hits, n, value, first_bad_at=first_bad_at)


def _delivery_rate(metric: Metric, span_s: float, c: Counts, _rows: Rows) -> Reading:
    return _share(metric, span_s, c.delivered, c.delivered + c.failed, c.first_failed_at)


def _event_rate(metric: Metric, span_s: float, c: Counts, rows: Rows) -> Reading:
    n = c.delivered if metric.of is Of.DELIVERED else c.sent
    hits, first_at = (rows[0]["hits"], rows[0]["first_at"]) if rows else (0, None)
    # A complaint's own message may have lost its `delivered`: it was, all the same.
    return _share(metric, span_s, hits, max(n, hits), first_at)


def _availability(metric: Metric, span_s: float, c: Counts, _rows: Rows) -> Reading:
    return _share(metric, span_s, c.requests - c.theirs, c.requests)


def _failure_rate(metric: Metric, span_s: float, c: Counts, rows: Rows) -> Reading:
    bad = c.recipient + c.failed
    reading = _share(metric, span_s, bad, c.delivered + bad, c.first_failed_at)
    return replace(reading, codes={row["code"]: row["hits"] for row in rows})


def _late_rate(metric: Metric, span_s: float, c: Counts, _rows: Rows) -> Reading:
    return _share(metric, span_s, c.late, c.way.n if c.way else 0)


def _slow_rate(metric: Metric, span_s: float, c: Counts, _rows: Rows) -> Reading:
    n, prompt = (c.send.n, c.send.prompt) if c.send else (0, 0)
    return _share(metric, span_s, n - prompt, n)


def _opt_out_rate(metric: Metric, span_s: float, _counts: Counts, rows: Rows) -> Reading:
    [row] = rows
    # Whoever leaves was reached once, if not within the span.
    return _share(metric, span_s, row["hits"], max(row["n"], row["hits"]), row["first_at"])


def _time(metric: Metric, span_s: float, times: Times | None) -> Reading:
    if times is None:
        return Reading(metric, span_s, 0, 0, None)
    return Reading(metric, span_s, times.prompt, times.n, times.average, times)


Rows: TypeAlias = Sequence[Any]
Read: TypeAlias = Callable[[Metric, float, Counts, Rows], Reading]

_PLAIN = (
    "accepted", "units", "sent", "young", "delivered", "silent", "recipient", "failed",
    "first_failed_at",
)  # fmt: skip
_OF_MESSAGES = frozenset({Measure.DELIVERY_RATE, Measure.EVENT_RATE, Measure.FAILURE_RATE})
_OF_TIMES = frozenset(
    {Measure.SEND_TIME, Measure.DELIVERY_TIME, Measure.LATE_RATE, Measure.SLOW_RATE}
)

_MEASURES: Mapping[Measure, Read] = MappingProxyType(
    {
        Measure.DELIVERY_RATE: _delivery_rate,
        Measure.EVENT_RATE: _event_rate,
        Measure.AVAILABILITY: _availability,
        Measure.FAILURE_RATE: _failure_rate,
        Measure.LATE_RATE: _late_rate,
        Measure.SLOW_RATE: _slow_rate,
        Measure.OPT_OUT_RATE: _opt_out_rate,
        Measure.SEND_TIME: lambda metric, span_s, c, _rows: _time(metric, span_s, c.send),
        Measure.DELIVERY_TIME: lambda metric, span_s, c, _rows: _time(metric, span_s, c.way),
    }
)
