"""The sandbox's own clock: real time plus an offset, which tells its listeners when it moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from mentalspace.emulator.journal import Journal, Record
from mentalspace.kernel.clock import OffsetClock


class VirtualClock(OffsetClock):
    """Keeps its offset across restarts. Whoever waits for an hour subscribes to its moves."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal
        self._listeners: list[Callable[[], None]] = []
        journal.on("clock", self._apply)
        journal.compact(["clock"], self._snapshot)

    def subscribe(self, listener: Callable[[], None]) -> None:
        """`listener` is called, without arguments, after each move."""
        self._listeners.append(listener)

    def move(self, offset_s: float) -> None:
        """Set the offset from real time, in seconds; it may also go back."""
        self._journal.emit("clock", offset_s=offset_s)
        for listener in self._listeners:
            listener()

    def _apply(self, record: Record) -> None:
        self.offset = timedelta(seconds=record["offset_s"])

    def _snapshot(self) -> Iterable[Record]:
        yield {"kind": "clock", "offset_s": self.offset.total_seconds()}
