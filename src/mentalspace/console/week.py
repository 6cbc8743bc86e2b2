"""When in the week messages go, fail and bounce, on each practice's own clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from starlette.responses import Response

from mentalspace.console.charts.week import Week, draw_week
from mentalspace.console.door import Visit
from mentalspace.console.figures import credentials_seen, read_beyond
from mentalspace.console.queries.figures import HourOfWeek, read_folded_until, read_week

WEEKS = 4


@dataclass(frozen=True, slots=True)
class What:
    """What the squares show: its `title` to choose it by, `words` for so many of it."""

    title: str
    words: str
    tone: str
    number: Callable[[HourOfWeek], int]


SHOWN: Mapping[str, What] = MappingProxyType(
    {
        "sent": What("Accepted", "accepted", "info", lambda hour: hour.accepted),
        "failed": What("Failed by us or the provider", "failed", "bad", lambda hour: hour.failed),
        "recipient": What(
            "Ended by the recipient’s fault",
            "ended by the recipient’s fault",
            "warn",
            lambda hour: hour.recipient,
        ),
    }
)


async def week(visit: Visit) -> Response:
    """On-call sees all practices together, each on its own clock; staff their own."""
    show = visit.query("show") if visit.query("show") in SHOWN else "sent"
    seen, _zone = await credentials_seen(visit)
    found: dict[str, Week] = {}
    async with visit.services.database.as_oncall() as connection:
        for room, ids in seen.items():
            if ids:
                hours = await read_week(connection, ids, WEEKS)
                found[room] = _draw(hours, SHOWN[show])
        beyond = await read_beyond(connection, seen, await read_folded_until(connection))
    return await visit.show(
        "week.html", found=found, beyond=beyond, show=show, shown=SHOWN, weeks=WEEKS
    )


def _draw(hours: list[list[HourOfWeek]], what: What) -> Week:
    numbers = [[what.number(hour) for hour in day] for day in hours]
    return draw_week(numbers, f"messages {what.words} in {WEEKS} weeks", what.tone)
