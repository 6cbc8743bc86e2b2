"""Time as a value: whoever needs the hour is handed a Clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Says what time it is for the practice; deadlines and heartbeats use monotonic time."""

    def now(self) -> datetime:
        """The current instant, aware and in UTC."""
        ...


class OffsetClock:
    """Real time plus an offset that a demo may move forward. It never stands still."""

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        self.offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset
