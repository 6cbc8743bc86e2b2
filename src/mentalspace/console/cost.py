"""What messages cost day by day, against the usual of the same weekday, and so far today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from starlette.responses import Response

from mentalspace.console.chart import Chart
from mentalspace.console.charts.cost import (
    FLOOR,
    TIMES,
    WEEKS,
    Spent,
    draw_cost,
    money,
    spent,
    stands_out,
    usual_of,
)
from mentalspace.console.door import Visit
from mentalspace.console.figures import DAYS, credentials_seen
from mentalspace.console.queries.figures import read_span, read_until_this_hour
from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import Price, RoomRunbook


@dataclass(frozen=True, slots=True)
class Cost:
    """One room's. `so_far` is today's until this hour, `usual_so_far` its weekday's median."""

    room: str
    price: Price
    chart: Chart
    days: Sequence[Spent]
    units: int
    total: float
    so_far: float
    usual_so_far: float | None

    @property
    def stands_out(self) -> bool:
        return stands_out(self.so_far, self.usual_so_far)


async def cost(visit: Visit) -> Response:
    """On-call sees all practices together, staff their own."""
    seen, zone = await credentials_seen(visit)
    found = []
    async with visit.services.database.as_oncall() as connection:
        for room in visit.services.runbooks.rooms:
            price = room.overview.price
            if price is not None and seen[room.room]:
                found.append(await _cost(connection, room, price, seen[room.room], zone))
    return await visit.show(
        "cost.html", found=found, days=DAYS, weeks=WEEKS, times=TIMES, floor=FLOOR, money=money
    )


async def _cost(
    connection: Connection, room: RoomRunbook, price: Price, ids: Sequence[UUID], zone: str
) -> Cost:
    span = await read_span(connection, ids, DAYS + 7 * WEEKS, zone)
    so_far = await read_until_this_hour(connection, ids, WEEKS, zone)
    amounts = [(day.day, day.units * price.amount) for day in span.days]
    days = spent(amounts, DAYS)
    units = sum(day.units for day in span.days[-DAYS:])
    first = min((day.day for day in span.days if day.units), default=None)
    known = [
        units_then * price.amount
        for day, units_then in so_far[1:]
        if first is not None and day >= first
    ]
    return Cost(
        room=room.room,
        price=price,
        chart=draw_cost(days, price.currency),
        days=days,
        units=units,
        total=units * price.amount,
        so_far=so_far[0][1] * price.amount,
        usual_so_far=usual_of(known),
    )
