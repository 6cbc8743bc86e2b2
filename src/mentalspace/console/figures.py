"""The last thirty days in figures: how messages ended, how long they took, what targets allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from starlette.responses import Response

from mentalspace.console.chart import Bucket, Chart, Took, draw_took, seconds
from mentalspace.console.charts.budget import Budget, Tried, draw_budget
from mentalspace.console.charts.ends import Ends, Line, draw_ends, legend
from mentalspace.console.door import Visit
from mentalspace.console.queries.figures import (
    DayFigures,
    FiveMinutes,
    Span,
    Uncounted,
    read_five_minutes,
    read_folded_until,
    read_span,
    read_uncounted,
)
from mentalspace.engine.db import Connection
from mentalspace.engine.rates import DAY_S, ENOUGH, Counts, Reading, judge, times_of
from mentalspace.engine.room_gauges import Gauge, read_gauges, worst_of
from mentalspace.engine.runbook import Measure, Metric, Op, RoomRunbook
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
class Times:
    """How long a stage of the way took, day by day, against its target if it has one."""

    title: str
    chart: Chart
    days: Sequence[Took]


@dataclass(frozen=True, slots=True)
class Figures:
    """One room's. `cost` is what its price comes to, `platform` each provider's last hours, for
    on-call alone; `gauges` what the room measures itself, as it stands now."""

    room: str
    ends: Chart
    legend: Sequence[Line]
    times: Sequence[Times]
    budgets: Sequence[tuple[Budget, Chart]]
    days: Sequence[tuple[DayFigures, Ends]]
    total: DayFigures
    readings: Sequence[Reading]
    gauges: Sequence[tuple[Metric, Gauge]]
    uncounted: Sequence[Metric]
    cost: tuple[float, str] | None
    platform: Mapping[str, Sequence[Hour]]


async def figures(visit: Visit) -> Response:
    """On-call sees all practices together, staff their own. Nobody is named."""
    found = []
    seen, zone = await credentials_seen(visit)
    async with visit.reading() as connection:
        own = {name: await read_gauges(connection, name) for name in seen}
    # Counted for the credentials this person sees.
    async with visit.services.database.as_oncall() as connection:
        for room in visit.services.runbooks.rooms:
            if ids := seen[room.room]:
                found.append(
                    await _figures(connection, room, ids, zone, own[room.room], visit.is_oncall)
                )
        until = await read_folded_until(connection)
        beyond = await read_beyond(connection, seen, until)
    return await visit.show(
        "figures.html",
        figures=found,
        days=DAYS,
        enough=ENOUGH,
        until=until,
        beyond=beyond,
        seconds=seconds,
        declared=visit.services.runbooks.declared,
    )


async def read_beyond(
    connection: Connection, seen: Mapping[str, Sequence[UUID]], until: datetime | None
) -> dict[str, Uncounted]:
    """By room, what no figure `until` then has yet."""
    return {name: await read_uncounted(connection, ids, until) for name, ids in seen.items() if ids}


async def credentials_seen(visit: Visit) -> tuple[dict[str, list[UUID]], str]:
    """Each room's credentials that this person may count for, and the zone their day is told in."""
    async with visit.reading() as connection:
        zone: str = await connection.fetchval(_ZONE, visit.person.practice_id) or "UTC"
        seen = {
            room.room: [row["id"] for row in await connection.fetch(_CREDENTIALS, room.room)]
            for room in visit.services.runbooks.rooms
        }
    return seen, zone


async def _figures(
    connection: Connection,
    room: RoomRunbook,
    ids: Sequence[UUID],
    zone: str,
    own: Sequence[Gauge],
    is_oncall: bool,
) -> Figures:
    gauges = worst_of(room.overview, own)
    measured = {metric.id for metric, _gauge in gauges}
    span = await read_span(connection, ids, DAYS, zone)
    price, total = room.overview.price, span.total
    days = [(day, ends_of(day)) for day in span.days]
    fives = []
    if is_oncall:
        fives = await read_five_minutes(connection, room.room, timedelta(hours=HOURS))
    return Figures(
        room=room.room,
        ends=draw_ends([(day.day, ends) for day, ends in days]),
        legend=legend(ends_of(total)),
        times=_times(room, span.days),
        budgets=[(budget, draw_budget(budget)) for budget in budgets(room, span.days)],
        days=days,
        total=total,
        readings=list(readings(room, span)),
        gauges=gauges,
        uncounted=[
            metric
            for metric in room.overview.metrics
            if metric.measure is None and metric.id not in measured
        ],
        cost=(total.units * price.amount, price.currency) if price else None,
        platform=_hours(fives),
    )


def ends_of(day: DayFigures) -> Ends:
    return Ends(day.delivered, day.untold, day.silent, day.recipient, day.ours, day.theirs)


def _times(room: RoomRunbook, days: Sequence[DayFigures]) -> list[Times]:
    targets = {m.measure: m.target for m in room.overview.metrics if m.measure}
    send = [Took(d.day, sum(d.send.values()), d.send_s(0.5), d.send_s(0.95)) for d in days]
    way = [Took(d.day, sum(d.way.values()), d.way_s(0.5), d.way_s(0.95)) for d in days]
    return [
        Times(title, draw_took(took, targets.get(measure), ENOUGH), took)
        for title, measure, took in (
            ("From due to accepted", Measure.SEND_TIME, send),
            ("From accepted to delivered", Measure.DELIVERY_TIME, way),
        )
    ]


def budgets(room: RoomRunbook, days: Sequence[DayFigures]) -> list[Budget]:
    """One for each objective that asks for a share of successes."""
    found = []
    for metric in room.overview.metrics:
        if metric.op is Op.ABOVE and metric.measure in _TRIED:
            tried = [Tried(day.day, *_TRIED[metric.measure](day)) for day in days]
            found.append(Budget(metric.title, metric.target, tried))
    return found


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


def _outcomes(five: FiveMinutes) -> Bucket:
    return Bucket(five.delivered + five.silent, five.recipient, five.ours + five.theirs)


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


# Of a day, how many count for an objective, and how many of them failed.
_TRIED: Mapping[Measure | None, Callable[[DayFigures], tuple[int, int]]] = MappingProxyType(
    {
        Measure.DELIVERY_RATE: lambda day: (day.delivered + day.failed, day.failed),
        Measure.AVAILABILITY: lambda day: (day.requests, day.requests_theirs),
    }
)
