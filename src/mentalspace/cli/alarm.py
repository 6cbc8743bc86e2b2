"""Signals as wake-ups of one waiting loop."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Alarm:
    """`stops` counts the wishes to stop; the second one is in a hurry."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader = reader
        self._writer = writer
        self.stops = 0

    def wake(self) -> None:
        """End the current wait, or the next. From any thread."""
        with suppress(BlockingIOError):  # full: it will wake anyway
            os.write(self._writer, b"\0")

    def wait(self, timeout_s: float) -> None:
        """Until somebody wakes us or the time is up."""
        if select.select([self._reader], [], [], timeout_s)[0]:
            os.read(self._reader, 4096)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stops += 1


@contextmanager
def open_alarm() -> Iterator[Alarm]:
    """Take over SIGINT, SIGTERM, SIGHUP and SIGCHLD while the block lasts; main thread only."""
    reader, writer = os.pipe()
    for end in (reader, writer):
        os.set_blocking(end, False)
    alarm = Alarm(reader, writer)
    # A handler there must be, or the death of a child would wake nobody.
    before = {number: signal.signal(number, alarm._stop) for number in STOPPING}
    before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    waker = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield alarm
    finally:
        signal.set_wakeup_fd(waker)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)
