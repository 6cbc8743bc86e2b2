"""Processor time beside wall time: what else runs on the machine lengthens the one, and hardly the
other."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figure import percentile

_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds; `cpu_s` is ours and that of the database's sessions that worked for us."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Meter:
    """`sessions` are the processes of the database that work for whom is measured."""

    sessions: tuple[int, ...]

    async def time(self, work: Callable[[], Awaitable[object]]) -> Took:
        began, spent = time.monotonic(), self._spent_s()
        await work()
        return Took(time.monotonic() - began, self._spent_s() - spent)

    def _spent_s(self) -> float:
        return time.process_time() + cpu_of(self.sessions)


def cpu_of(pids: Iterable[int]) -> float:
    """Seconds of processor time these processes have had, to a hundredth; one that is gone has had
    none."""
    return sum(_cpu_of(pid) for pid in pids)


def _cpu_of(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    # source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html (utime, stime)
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _PER_S


def note_of(took: Iterable[Took]) -> str:
    """`CPU 0.31 s (median), load 3.2`: what a figure of wall time is to be read beside."""
    spent = percentile([each.cpu_s for each in took], 0.5)
    return f"CPU {spent:.2f} s, {load()}"


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"
