"""The hours in which a delivery may leave, on the clocks of wherever it goes; frozen at enqueue.

Whoever enqueues knows which hours, and why. This only knows how to wait for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

# The evidence's code, and the name of each room's case, for what would be useless by the time
# that it may leave.
OUT_OF_HOURS = "out_of_hours"

# From and until, in minutes of a local day; None for a day without any.
Window = tuple[int, int] | None
_DAY_MIN = 1440


@dataclass(frozen=True, slots=True)
class Hours:
    """A window for each day of the week, Monday first. Of several `zones` all must be open."""

    zones: tuple[str, ...]
    week: tuple[Window, ...]

    def __post_init__(self) -> None:
        if not self.zones or len(self.week) != 7:
            raise ValueError("hours need a zone, and a window for each day")
        for window in self.week:
            if window is not None and not 0 <= window[0] < window[1] <= _DAY_MIN:
                raise ValueError("a window begins before it ends, within its day")
        if all(window is None for window in self.week):
            raise ValueError("some day must be open")

    def to_json(self) -> dict[str, Any]:
        week = [None if window is None else list(window) for window in self.week]
        return {"zones": list(self.zones), "week": week}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Hours:
        week = tuple(None if each is None else (each[0], each[1]) for each in values["week"])
        return cls(tuple(values["zones"]), week)


def next_opening(hours: Hours, at: datetime) -> datetime:
    """The first instant from `at` on at which it may leave: `at` itself while that is so.

    Raises ValueError if its zones are never open together.
    """
    found, latest = at, at + timedelta(days=15)
    while found < latest:
        opened = max(_opening(zone, hours.week, found) for zone in hours.zones)
        if opened == found:
            return found
        found = opened
    raise ValueError("these zones are never open together")


def _opening(zone: str, week: tuple[Window, ...], at: datetime) -> datetime:
    clock = ZoneInfo(zone)
    today = at.astimezone(clock).date()
    for ahead in range(-1, 9):
        day = today + timedelta(days=ahead)
        window = week[day.weekday()]
        if window is None:
            continue
        opens, closes = (_instant(day, minute, clock) for minute in window)
        if at < closes:
            return max(at, opens)
    raise ValueError("no day is open")


def _instant(day: date, minute: int, clock: ZoneInfo) -> datetime:
    """When a wall clock first shows that time; where it skips it, the moment that it jumps on."""
    past_midnight = timedelta(minutes=minute)
    local = datetime.combine(day, time()) + past_midnight
    return local.replace(tzinfo=clock, fold=0).astimezone(UTC)
