"""The last thirty days in figures: how messages ended, how long they took, rates and targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from starlette.responses import Response

from mentalspace.console.chart import Bucket, Chart, Day, Took, draw_days, draw_took
from mentalspace.console.door import Visit
from mentalspace.console.queries.figures import (
    DayFigures,
    FiveMinutes,
    Span,
    read_five_minutes,
    read_folded_until,
    read_span,
)
from mentalspace.engine.db import Connection
from mentalspace.engine.rates import DAY_S, ENOUGH, Counts, Reading, judge, times_of
from mentalspace.engine.runbook import Measure, Metric, RoomRunbook
from mentalspace.engine.spread import within

DAYS = 30
HOURS = 24

_CREDENTIALS = """
select c.id from credential c join practice p on p.id = c.practice_id
 where c.integration = $1 and c.drill is null and not p.is_drill
"""
_ZONE = "select timezone from practice where id = $1"


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of all practices by how its messages ended, and the provider's failed requests."""

    at: datetime
    outcomes: Bucket
    requests: int
    theirs: int


@dataclass(frozen=True, slots=True)
class Figures:
    """One room's. `target_s` is its target of the send time; None if it has none. `cost` is what
    its price comes to, `platform` each provider's last hours, for on-call alone."""

    room: str
    outcomes: Chart
    took: Chart
    target_s: float | None
    days: Sequence[tuple[DayFigures, Took]]
    total: DayFigures
    readings: Sequence[Reading]
    uncounted: Sequence[Metric]
    cost: tuple[float, str] | None
    platform: Mapping[str, Sequence[Hour]]


async def figures(visit: Visit) -> Response:
    """On-call sees all practices together, staff their own. Nobody is named."""
    found = []
    async with visit.reading() as connection:
        zone = await connection.fetchval(_ZONE, visit.person.practice_id) or "UTC"
        seen = {
            room.room: [row["id"] for row in await connection.fetch(_CREDENTIALS, room.room)]
            for room in visit.services.runbooks.rooms
        }
    # Counted for the credentials this person sees.
    async with visit.services.database.as_oncall() as connection:
        for room in visit.services.runbooks.rooms:
            if ids := seen[room.room]:
                found.append(await _figures(connection, room, ids, zone, visit.is_oncall))
        until = await read_folded_until(connection)
    return await visit.show(
        "figures.html",
        figures=found,
        days=DAYS,
        enough=ENOUGH,
        until=until,
        declared=visit.services.runbooks.declared,
    )


async def _figures(
    connection: Connection, room: RoomRunbook, ids: Sequence[UUID], zone: str, is_oncall: bool
) -> Figures:
    span = await read_span(connection, ids, DAYS, zone)
    targets = {m.measure: m.target for m in room.overview.metrics if m.measure}
    target_s = targets.get(Measure.SEND_TIME)
    took = [Took(d.day, sum(d.send.values()), d.send_s(0.5), d.send_s(0.95)) for d in span.days]
    price, total = room.overview.price, span.total
    fives = []
    if is_oncall:
        fives = await read_five_minutes(connection, room.room, timedelta(hours=HOURS))
    return Figures(
        room=room.room,
        outcomes=draw_days([Day(d.day, _outcomes(d)) for d in span.days]),
        took=draw_took(took, target_s, ENOUGH),
        target_s=target_s,
        days=list(zip(span.days, took, strict=True)),
        total=total,
        readings=list(readings(room, span)),
        uncounted=[metric for metric in room.overview.metrics if metric.measure is None],
        cost=(total.units * price.amount, price.currency) if price else None,
        platform=_hours(fives),
    )


def readings(room: RoomRunbook, span: Span) -> Sequence[Reading]:
    """The room's metrics over a span of days."""
    counts = _counts(room, span.total)
    return [
        judge(metric, len(span.days) * DAY_S, counts, _rows(metric, span))
        for metric in room.overview.metrics
        if metric.measure is not None
    ]


def _counts(room: RoomRunbook, total: DayFigures) -> Counts:
    metrics = room.overview.metrics
    targets = {metric.measure: metric.target for metric in metrics if metric.measure}
    late_s = max((metric.late_after_s for metric in metrics), default=0.0)
    return Counts(
        accepted=total.accepted,
        units=total.units,
        sent=total.sent,
        delivered=total.delivered,
        silent=total.silent,
        recipient=total.recipient,
        failed=total.failed,
        late=sum(total.way.values()) - within(total.way, late_s),
        send=times_of(total.send, total.send_sum_s, targets.get(Measure.SEND_TIME, 0.0)),
        way=times_of(total.way, total.way_sum_s, targets.get(Measure.DELIVERY_TIME, 0.0)),
        requests=total.requests,
        theirs=total.requests_theirs,
    )


def _rows(metric: Metric, span: Span) -> Sequence[Any]:
    """What a measure of its own question is told, as engine/rates.py would ask for it."""
    match metric.measure:
        case Measure.EVENT_RATE:
            return [{"hits": span.events.get(metric.id, 0), "first_at": None}]
        case Measure.OPT_OUT_RATE:
            return [{"n": span.people, "hits": span.total.opt_outs, "first_at": None}]
        case Measure.FAILURE_RATE:
            return [{"code": code, "hits": hits} for code, hits in span.codes.items()]
        case _:
            return []


def _outcomes(day: DayFigures | FiveMinutes) -> Bucket:
    return Bucket(day.delivered + day.silent, day.recipient, day.ours + day.theirs)


def _hours(fives: Sequence[FiveMinutes]) -> dict[str, list[Hour]]:
    """Each provider's hours, the latest first; an hour of nothing is left out."""
    found: dict[str, dict[datetime, Hour]] = {}
    for five in fives:
        at, one = five.at.replace(minute=0), _outcomes(five)
        hours = found.setdefault(five.provider, {})
        so_far = hours.get(at, Hour(at, Bucket(0, 0, 0), 0, 0))
        before = so_far.outcomes
        hours[at] = Hour(
            at,
            Bucket(before.good + one.good, before.recipient + one.recipient, before.bad + one.bad),
            so_far.requests + five.requests,
            so_far.theirs + five.requests_theirs,
        )
    return {provider: list(reversed(hours.values())) for provider, hours in found.items()}
