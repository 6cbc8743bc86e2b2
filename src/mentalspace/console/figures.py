"""The last fourteen days in figures: how messages ended, how long they took, rates and targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from starlette.responses import Response

from mentalspace.console.chart import Chart, Day, Took, draw_days, draw_took
from mentalspace.console.door import Visit
from mentalspace.console.queries.doctor import DAYS, read_days
from mentalspace.console.queries.figures import read_took
from mentalspace.engine.db import Connection
from mentalspace.engine.rates import DAY_S, ENOUGH, Reading, read_rates
from mentalspace.engine.runbook import Measure, RoomRunbook

_CREDENTIALS = """
select c.id from credential c join practice p on p.id = c.practice_id
 where c.integration = $1 and c.drill is null and not p.is_drill
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """One room's. `target_s` is its target of the send time; None if it has none."""

    room: str
    outcomes: Chart
    took: Chart
    target_s: float | None
    days: Sequence[tuple[Day, Took]]
    readings: Sequence[Reading]


async def figures(visit: Visit) -> Response:
    """On-call sees all practices together, staff their own. Nobody is named."""
    found = []
    for room in visit.services.runbooks.rooms:
        async with visit.reading() as connection:
            rows = await connection.fetch(_CREDENTIALS, room.room)
        if ids := [row["id"] for row in rows]:
            # Counted for the credentials this person sees.
            async with visit.services.database.as_oncall() as connection:
                found.append(await _figures(connection, room, ids))
    return await visit.show("figures.html", figures=found, days=DAYS, enough=ENOUGH)


async def _figures(connection: Connection, room: RoomRunbook, ids: Sequence[UUID]) -> Figures:
    span_s = DAYS * DAY_S
    days = await read_days(connection, ids, room.recipient_cases)
    took = await read_took(connection, ids)
    rates = await read_rates(
        connection, room.overview, room.recipient_cases, ids, [span_s], pooled=True
    )
    targets = [m.target for m in room.overview.metrics if m.measure is Measure.SEND_TIME]
    target_s = targets[0] if targets else None
    return Figures(
        room.room,
        draw_days(days),
        draw_took(took, target_s, ENOUGH),
        target_s,
        list(zip(days, took, strict=True)),
        rates.at(None, span_s),
    )
