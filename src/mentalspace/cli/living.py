"""Which process is which: a pid alone may have been handed out again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Mark:
    """`started` is the system's own word for when the process began."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether it still runs. A zombie does not."""
        return started_at(self.pid) == self.started

    def send(self, number: signal.Signals) -> None:
        """Signal it, unless the pid is somebody else's by now."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def mark_of(pid: int) -> Mark | None:
    """The process that has this pid now."""
    started = started_at(pid)
    return None if started is None else Mark(pid, started)


def started_at(pid: int) -> str | None:
    """When the process of this pid began; None if there is none, or only its zombie."""
    if not PROC.joinpath("self/stat").exists():
        return _from_ps(pid)
    try:
        text = PROC.joinpath(str(pid), "stat").read_text()
    except OSError:
        return None
    # The name in brackets may hold blanks and brackets itself.
    # source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def wait_gone(marks: Iterable[Mark], *, timeout_s: float) -> list[Mark]:
    """Those that are still there when the time is up."""
    deadline = time.monotonic() + timeout_s
    left = [mark for mark in marks if mark.alive]
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = [mark for mark in left if mark.alive]
    return left


def end(marks: Iterable[Mark], *, grace_s: float) -> None:
    """Ask each to end, and force whoever has not after the grace."""
    asked = list(marks)
    for mark in asked:
        mark.send(signal.SIGTERM)
    for mark in wait_gone(asked, timeout_s=grace_s):
        mark.send(signal.SIGKILL)
    wait_gone(asked, timeout_s=5)


def _from_ps(pid: int) -> str | None:
    done = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, started = done.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()
