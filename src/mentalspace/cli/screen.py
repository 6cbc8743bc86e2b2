"""The supervisor's terminal: sentences above, one calm line of status below."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from datetime import datetime
from typing import TextIO

from mentalspace.cli.run_state import Seen
from mentalspace.cli.supervise import Watcher


class Screen(Watcher):
    """On a terminal the status line is redrawn in place; elsewhere each change is a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._tty = stream.isatty()
        self._status = ""
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        with self._lock:
            stamp = datetime.now().astimezone().strftime("%H:%M:%S")
            self._write_above(f"{stamp}  {text}")

    def block(self, text: str) -> None:
        """Several lines, without a time."""
        with self._lock:
            self._write_above(text)

    def show(self, processes: Sequence[Seen], ready: bool) -> None:
        text = status_line(processes, ready)
        with self._lock:
            if text == self._status:
                return
            self._status = text
            if self._tty:
                self._draw()
            else:
                self._stream.write(text + "\n")
            self._stream.flush()

    def close(self) -> None:
        """Leave the cursor on a line of its own."""
        with self._lock:
            if self._tty and self._status:
                self._stream.write("\n")
                self._stream.flush()

    def _write_above(self, text: str) -> None:
        clear = "\r\x1b[2K" if self._tty and self._status else ""
        self._stream.write(f"{clear}{text}\n")
        if clear:
            self._draw()
        self._stream.flush()

    def _draw(self) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r\x1b[2K{self._status[:width]}")


def status_line(processes: Sequence[Seen], ready: bool) -> str:
    """`● ready · postgres running · api restarting (2 restarts)`"""
    ending = any(seen.state in ("stopping", "stopped") for seen in processes)
    head = "● ready" if ready else "○ stopping" if ending else "○ not ready"
    return " · ".join([head, *(_one(each) for each in processes)])


def _one(seen: Seen) -> str:
    if not seen.restarts:
        return f"{seen.name} {seen.state}"
    plural = "restart" if seen.restarts == 1 else "restarts"
    return f"{seen.name} {seen.state} ({seen.restarts} {plural})"
