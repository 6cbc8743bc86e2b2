"""The sandbox's memory: an append-only file, synced to disk before any answer is sent."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mentalspace.kernel.errors import Refused

Record = dict[str, Any]
Reducer = Callable[[Record], None]
Snapshot = Callable[[], Iterable[Record]]

# A file is written anew once it is so long, and twice as long as what would be left of it.
COMPACT_FROM = 5000


class Journal:
    """State as a fold over records: `emit` changes memory at once, `flush` makes it last.

    One process holds a journal; a second one is refused. Many requests that flush at the same
    time share one fsync. A last line torn by a crash was never answered for and is cut off.
    """

    def __init__(self, directory: Path, *, compact_from: int = COMPACT_FROM) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = directory / "journal.jsonl"
        self._compact_from = compact_from
        self._reducers: dict[str, list[Reducer]] = {}
        self._snapshots: list[Snapshot] = []
        self._compacted: set[str] = set()
        self._buffer: list[bytes] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._writer: asyncio.Task[None] | None = None
        self._failure: OSError | None = None
        # Beside the journal: compacting puts another file in its place, and with it another lock.
        self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise Refused(
                "state_in_use",
                f"another sandbox holds {directory}; stop it, or give this one its own directory",
            ) from error
        self._file = self._open()

    def on(self, kind: str, reducer: Reducer) -> None:
        """Have `reducer` see each record of this kind, when emitted and again when loaded."""
        self._reducers.setdefault(kind, []).append(reducer)

    def compact(self, kinds: Iterable[str], snapshot: Snapshot) -> None:
        """Let the records of these kinds be replaced by those of `snapshot`, which must lead to
        the same state. Records of kinds that nobody compacts are kept as they are."""
        self._compacted.update(kinds)
        self._snapshots.append(snapshot)

    def load(self) -> int:
        """Replay the file into the reducers; call once, after all have registered.

        Returns the number of records, and writes a long file anew, shorter. Raises ValueError
        naming a broken line that is not the last.
        """
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._file, whole)
        lines = content[:whole].splitlines()
        kept: list[bytes] = []
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{self._path}: line {number} is not JSON") from error
            self._apply(record)
            if record["kind"] not in self._compacted:
                kept.append(line + b"\n")
        if len(lines) >= self._compact_from:
            self._shorten(len(lines), kept)
        return len(lines)

    def emit(self, kind: str, **data: Any) -> None:
        """Apply a record to memory and queue it for the file. Nothing is durable before `flush`."""
        record = {"kind": kind, **data}
        line = _line(record)
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
            os.close(self._lock)

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)

    def _apply(self, record: Record) -> None:
        for reducer in self._reducers.get(record["kind"], ()):
            reducer(record)

    def _shorten(self, count: int, kept: list[bytes]) -> None:
        """Put a file of what still matters in the journal's place, unless little would be won.

        The old file stays whole until the new one is on disk under another name, so a crash
        leaves the one or the other.
        """
        records = [record for snapshot in self._snapshots for record in snapshot()]
        if count < 2 * (len(kept) + len(records)):
            return
        fresh = self._path.with_suffix(".new")
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _append(file, b"".join([*kept, *map(_line, records)]))
        finally:
            os.close(file)
        fresh.replace(self._path)
        _sync_directory(self._path.parent)
        os.close(self._file)
        self._file = self._open()

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


def _line(record: Record) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _append(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
    os.fsync(file)


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
