"""One moment by the wall clocks of everybody whom it concerns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from mentalspace.engine.mornings import place

# Of more than so many different hours nobody finds their own: UTC leads, with the outermost.
MOST_HOURS = 3


@dataclass(frozen=True, slots=True)
class WallClocks:
    """`zones` as they are named to people: of those that show the same hour the first is."""

    zones: tuple[str, ...]

    def tell(self, moment: datetime) -> str:
        """`03:12 MST on Sat 28 Nov`; `14:05 New York / 11:05 Los Angeles on Sat 28 Nov`; of many
        `19:05 UTC on Sat 28 Nov (14:05 New York to 09:05 Honolulu)`."""
        shown = self._different(moment)
        if len(shown) == 1:
            local, _place = shown[0]
            return f"{local:%H:%M} {local.tzname()} on {_day(local)}"
        if len(shown) > MOST_HOURS:
            utc = moment.astimezone(UTC)
            first, last = (_beside(each, utc) for each in (shown[0], shown[-1]))
            return f"{utc:%H:%M} UTC on {_day(utc)} ({first} to {last})"
        if len({local.date() for local, _place in shown}) == 1:
            hours = " / ".join(f"{local:%H:%M} {where}" for local, where in shown)
            return f"{hours} on {_day(shown[0][0])}"
        return " / ".join(f"{local:%H:%M} {where} on {_day(local)}" for local, where in shown)

    def _different(self, moment: datetime) -> Sequence[tuple[datetime, str]]:
        """The easternmost first."""
        found: dict[datetime, tuple[datetime, str]] = {}
        for zone in self.zones:
            local = moment.astimezone(ZoneInfo(zone))
            found.setdefault(local.replace(tzinfo=None), (local, place(zone)))
        return [found[naive] for naive in sorted(found, reverse=True)]


def _day(local: datetime) -> str:
    return f"{local:%a} {local.day} {local:%b}"


def _beside(shown: tuple[datetime, str], utc: datetime) -> str:
    local, where = shown
    day = "" if local.date() == utc.date() else f"{local:%a} "
    return f"{day}{local:%H:%M} {where}"
