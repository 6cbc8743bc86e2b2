"""The last 24 hours as they stood: breakers, queues and incidents, one under the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.responses import Response

from mentalspace.console.chart import Chart
from mentalspace.console.charts.queue import Waited, draw_queue
from mentalspace.console.charts.strip import KINDS, Stretch, draw_strip
from mentalspace.console.door import Visit
from mentalspace.console.queries.hours import (
    read_credentials,
    read_incidents,
    read_queues,
    read_stretches,
    window,
)

_CALM = "Closed all the time."
# Where a provider fails everybody, as many strips as somebody looks through.
SHOWN = 30


@dataclass(frozen=True, slots=True)
class Stood:
    """One credential, or one incident, with the strip of its day."""

    row: Any
    chart: Chart
    stretches: Sequence[Stretch]


@dataclass(frozen=True, slots=True)
class Queue:
    integration: str
    chart: Chart
    quarters: Sequence[Waited]


async def hours(visit: Visit) -> Response:
    """On-call sees every practice's, an administrator their own."""
    async with visit.reading() as connection:
        since, now = await window(connection)
        credentials = await read_credentials(connection)
        stretches = await read_stretches(connection, credentials, since, now)
        incidents = await read_incidents(connection, since)
    # Counted for the credentials this person sees.
    async with visit.services.database.as_oncall() as connection:
        waited = await read_queues(connection, credentials, since, now)
    stood = [_stood(row, stretches[row["id"]], since, now) for row in credentials]
    restless = [each for each in stood if each.stretches or each.row["override_state"]]
    # What stands now comes first.
    restless.sort(
        key=lambda each: (
            not each.row["override_state"] and all(stretch.until for stretch in each.stretches)
        )
    )
    return await visit.show(
        "hours.html",
        since=since,
        now=now,
        middle=since + (now - since) / 2,
        restless=restless[:SHOWN],
        more=len(restless[SHOWN:]),
        calm=len(stood) - len(restless),
        queues=[Queue(room, draw_queue(quarters), quarters) for room, quarters in waited.items()],
        incidents=[_stood(row, _of_incident(row), since, now) for row in incidents],
        kinds=KINDS,
    )


def _stood(row: Any, stretches: Sequence[Stretch], since: datetime, now: datetime) -> Stood:
    ordered = sorted(stretches, key=lambda each: each.since)
    return Stood(row, draw_strip(ordered, since, now, _CALM), ordered)


def _of_incident(row: Any) -> list[Stretch]:
    """From when it opened to when somebody took it, and from then to its end."""
    taken, ended = row["acknowledged_at"], row["resolved_at"]
    found = [Stretch("incident", row["opened_at"], taken or ended)]
    if taken is not None:
        found.append(Stretch("acknowledged", taken, ended))
    return found
