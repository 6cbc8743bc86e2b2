"""One upload on its way in: its bytes go where nothing is read from, digested as they come."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from types import TracebackType
from typing import BinaryIO
from uuid import UUID, uuid4

from mentalspace.integrations.storage.disk.shelf import Shelf
from mentalspace.integrations.storage.disk.thread import in_thread

# So much is held in memory of one upload, and then written.
_HELD = 2**20


class Landing:
    """`async with` it: whatever was not published by the end is gone.

    What was published is nobody's until a row names it. `spent_s` is how long the bytes were on
    their way before they came here.
    """

    def __init__(self, shelf: Shelf, *, spent_s: float = 0.0) -> None:
        self._shelf = shelf
        self._path = shelf.land()
        self._held = bytearray()
        self._digest = hashlib.sha256()
        self._file: BinaryIO | None = None
        self.size = 0
        self._began = time.monotonic() - spent_s

    async def __aenter__(self) -> Landing:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        # Not in a thread: a request that is being cancelled waits for nothing.
        if self._file is not None:
            self._file.close()
        with suppress(FileNotFoundError):
            self._path.unlink()

    @property
    def sha256(self) -> str:
        """Of all that was written, in hex; whole once `publish` has returned."""
        return self._digest.hexdigest()

    @property
    def age_s(self) -> float:
        """Since its first byte was awaited."""
        return time.monotonic() - self._began

    async def write(self, piece: bytes) -> None:
        self.size += len(piece)
        self._held += piece
        if len(self._held) >= _HELD:
            held, self._held = self._held, bytearray()
            await in_thread(lambda: self._write(held))

    async def publish(self, practice_id: UUID) -> str:
        """Sync what came, and let it be found; the version it is found under."""
        version = str(uuid4())
        held, self._held = self._held, bytearray()
        await in_thread(lambda: self._publish(held, practice_id, version))
        return version

    def _write(self, held: bytearray) -> BinaryIO:
        if self._file is None:
            self._file = open(self._path, "xb", buffering=0, opener=_private)  # noqa: SIM115
        view = memoryview(held)
        while view:
            view = view[self._file.write(view) :]
        self._digest.update(held)
        return self._file

    def _publish(self, held: bytearray, practice_id: UUID, version: str) -> None:
        file = self._write(held)
        os.fsync(file.fileno())
        file.close()
        self._shelf.publish(self._path, practice_id, version)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
