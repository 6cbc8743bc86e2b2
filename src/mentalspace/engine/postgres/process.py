"""Which process is which, told by its command line, since a pid alone may have been reused."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def command_line(pid: int) -> str | None:
    """What the process runs, its arguments joined by spaces; None if dead or a zombie.

    Read from the command line and not from `cwd` or `exe`: those of another user are hidden
    even from root in a container without CAP_SYS_PTRACE.
    """
    if PROC.joinpath("self/cmdline").exists():
        return _from_proc(pid)
    return _from_ps().get(pid)


def find(wanted: Callable[[str], bool]) -> list[int]:
    """The pids of all living processes whose command line is wanted."""
    return [pid for pid, text in _everything().items() if wanted(text)]


def end(pids: Iterable[int], *, still: Callable[[str], bool], grace_s: float = 2.0) -> None:
    """Make each process quit at once, by force after the grace; `still` is asked anew each time,
    so that a pid reused in between is left alone."""
    pids = list(pids)
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for pid in pids:
            send(pid, number, still=still)
        if wait_gone(pids, still=still, timeout_s=grace_s):
            return


def send(pid: int, number: signal.Signals, *, still: Callable[[str], bool]) -> None:
    """Signal the process if it still is the one meant."""
    text = command_line(pid)
    if text is not None and still(text):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def wait_gone(pids: Iterable[int], *, still: Callable[[str], bool], timeout_s: float) -> bool:
    """Whether all of them ended in time."""
    deadline = time.monotonic() + timeout_s
    remaining = list(pids)
    while True:
        remaining = [pid for pid in remaining if (text := command_line(pid)) and still(text)]
        if not remaining:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def _everything() -> dict[int, str]:
    if not PROC.joinpath("self/cmdline").exists():
        return _from_ps()
    pids = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    return {pid: text for pid in pids if (text := _from_proc(pid))}


def _from_proc(pid: int) -> str | None:
    try:
        raw = PROC.joinpath(str(pid), "cmdline").read_bytes()
    except OSError:
        return None
    # A zombie's is empty.
    return raw.replace(b"\0", b" ").decode(errors="replace").strip() or None


def _from_ps() -> dict[int, str]:
    listing = subprocess.run(
        ["ps", "-axww", "-o", "pid=,stat=,command="], capture_output=True, text=True, check=True
    )
    rows = (line.split(None, 2) for line in listing.stdout.splitlines())
    return {int(row[0]): row[2] for row in rows if len(row) == 3 and "Z" not in row[1]}
