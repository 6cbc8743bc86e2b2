"""What messages cost day by day, against the usual of the same weekday, and so far today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from starlette.responses import Response

from mentalspace.console.chart import Chart
from mentalspace.console.charts.cost import Spent, draw_cost, money, spent, usual_of
from mentalspace.console.door import Visit
from mentalspace.console.figures import DAYS, credentials_seen, read_beyond
from mentalspace.console.queries.figures import read_folded_until, read_span, read_until_this_hour
from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import AlertKind, AlertRule, Price
from mentalspace.engine.watch.cost import overspends
from mentalspace.engine.watch.weeks import WEEKS


@dataclass(frozen=True, slots=True)
class Cost:
    """One room's, judged by its rule on cost. `so_far` is today's until this hour, `usual_so_far`
    its weekday's median."""

    room: str
    price: Price
    rule: AlertRule
    chart: Chart
    days: Sequence[Spent]
    units: int
    total: float
    so_far: float
    usual_so_far: float | None

    @property
    def stands_out(self) -> bool:
        usual = self.usual_so_far
        return usual is not None and overspends(self.rule, self.so_far, usual)


async def cost(visit: Visit) -> Response:
    """On-call sees all practices together, staff their own."""
    seen, zone = await credentials_seen(visit)
    found = []
    async with visit.services.database.as_oncall() as connection:
        for room in visit.services.runbooks.rooms:
            price = room.overview.price
            rules = [rule for rule in room.overview.alerts if rule.kind is AlertKind.COST]
            if price is not None and rules and seen[room.room]:
                ids = seen[room.room]
                found.append(await _cost(connection, room.room, price, rules[0], ids, zone))
        beyond = await read_beyond(connection, seen, await read_folded_until(connection))
    return await visit.show(
        "cost.html", found=found, beyond=beyond, days=DAYS, weeks=WEEKS, money=money
    )


async def _cost(
    connection: Connection,
    room: str,
    price: Price,
    rule: AlertRule,
    ids: Sequence[UUID],
    zone: str,
) -> Cost:
    span = await read_span(connection, ids, DAYS + 7 * WEEKS, zone)
    so_far = await read_until_this_hour(connection, ids, WEEKS, zone)
    amounts = [(day.day, day.units * price.amount) for day in span.days]
    days = spent(amounts, DAYS, partial(overspends, rule))
    units = sum(day.units for day in span.days[-DAYS:])
    first = min((day.day for day in span.days if day.units), default=None)
    known = [
        units_then * price.amount
        for day, units_then in so_far[1:]
        if first is not None and day >= first
    ]
    return Cost(
        room=room,
        price=price,
        rule=rule,
        chart=draw_cost(days, price.currency),
        days=days,
        units=units,
        total=units * price.amount,
        so_far=so_far[0][1] * price.amount,
        usual_so_far=usual_of(known),
    )
