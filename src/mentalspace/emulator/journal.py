"""The sandbox's memory: an append-only file, synced to disk before any answer is sent."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mentalspace.kernel.errors import Refused

Record = dict[str, Any]
Reducer = Callable[[Record], None]


class Journal:
    """State as a fold over records: `emit` changes memory at once, `flush` makes it last.

    One process holds a journal; a second one is refused. Many requests that flush at the same
    time share one fsync. A last line torn by a crash was never answered for and is cut off.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = directory / "journal.jsonl"
        self._reducers: dict[str, list[Reducer]] = {}
        self._buffer: list[bytes] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._writer: asyncio.Task[None] | None = None
        self._failure: OSError | None = None
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise Refused(
                "state_in_use",
                f"another sandbox holds {directory}; stop it, or give this one its own directory",
            ) from error

    def on(self, kind: str, reducer: Reducer) -> None:
        """Have `reducer` see each record of this kind, when emitted and again when loaded."""
        self._reducers.setdefault(kind, []).append(reducer)

    def load(self) -> int:
        """Replay the file into the reducers; call once, after all have registered.

        Returns the number of records. Raises ValueError naming a broken line that is not the last.
        """
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._file, whole)
        lines = content[:whole].splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{self._path}: line {number} is not JSON") from error
            self._apply(record)
        return len(lines)

    def emit(self, kind: str, **data: Any) -> None:
        """Apply a record to memory and queue it for the file. Nothing is durable before `flush`."""
        record = {"kind": kind, **data}
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        self._apply(record)
        self._buffer.append(line)

    async def flush(self) -> None:
        """Return once everything emitted so far is on disk. Raises OSError if that failed."""
        if self._failure is not None:
            raise self._failure
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._drain(), name="journal")
        await waiter

    async def close(self) -> None:
        """Flush what is left and release the file."""
        try:
            await self.flush()
        finally:
            os.close(self._file)

    def _apply(self, record: Record) -> None:
        for reducer in self._reducers.get(record["kind"], ()):
            reducer(record)

    async def _drain(self) -> None:
        """Write round after round until nobody waits; each round is one write and one fsync."""
        while self._waiters:
            waiters, self._waiters = self._waiters, []
            content, self._buffer = b"".join(self._buffer), []
            try:
                if content:
                    await asyncio.to_thread(_append, self._file, content)
            except OSError as error:
                # Memory is now ahead of the disk: refuse every later answer.
                self._failure = error
            for waiter in waiters:
                if waiter.done():
                    continue
                if self._failure is not None:
                    waiter.set_exception(self._failure)
                else:
                    waiter.set_result(None)


def _append(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
    os.fsync(file)
