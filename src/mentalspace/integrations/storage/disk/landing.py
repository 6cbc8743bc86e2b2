"""One upload on its way in: digested, locked and put where nothing is read from, as it comes."""

from __future__ import annotations

import asyncio
import hashlib
import time
from contextlib import suppress
from types import TracebackType
from uuid import UUID, uuid4

from mentalspace.integrations.storage.disk.thread import in_thread, to_its_end
from mentalspace.integrations.storage.lock.frames import FRAME, HEAD, Frames, new_key
from mentalspace.integrations.storage.scan.built_in import BuiltIn
from mentalspace.integrations.storage.scan.verdict import Verdict
from mentalspace.integrations.storage.shelf import Draft, Shelf

# So much is held in memory of one upload, and as much again while it is written.
_HELD = 2**20


class Landing:
    """`async with` it: whatever was not published by the end is gone.

    `version` is what it is published under; it is nobody's until a row names it. `key` is what
    opens it, and is kept nowhere yet. `check` looks at the bytes as they come, if at all. `spent_s`
    is how long they were on their way before they came here.
    """

    def __init__(
        self,
        shelf: Shelf,
        practice_id: UUID,
        *,
        check: BuiltIn | None = None,
        spent_s: float = 0.0,
    ) -> None:
        self.version = str(uuid4())
        self.key = new_key()
        self.size = 0
        self._shelf, self._practice_id, self._check = shelf, practice_id, check
        self._frames = Frames(self.key)
        self._done = 0
        self._held = bytearray()
        self._digest = hashlib.sha256()
        self._draft: Draft | None = None
        self._writing: asyncio.Task[Draft] | None = None
        self._began = time.monotonic() - spent_s

    async def __aenter__(self) -> Landing:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with suppress(Exception):  # whoever wrote has heard of it, or needs it no more
            await self._written()
        if self._draft is not None:
            await in_thread(self._draft.abandon)

    @property
    def sha256(self) -> str:
        """Of all that was written, in hex; whole once `publish` has returned."""
        return self._digest.hexdigest()

    @property
    def verdict(self) -> Verdict | None:
        """What was found on the way, once `publish` has returned; None where nothing looked."""
        return None if self._check is None else self._check.verdict()

    @property
    def age_s(self) -> float:
        """Since its first byte was awaited."""
        return time.monotonic() - self._began

    async def write(self, piece: bytes) -> None:
        """Returns before it is on the disk: more comes meanwhile. Raises OSError, of an earlier
        piece."""
        self.size += len(piece)
        self._held += piece
        if len(self._held) >= _HELD + FRAME:
            cut = (len(self._held) - 1) // FRAME * FRAME  # the last frame is known at the end only
            held, self._held = self._held[:cut], self._held[cut:]
            await self._written()
            self._writing = asyncio.ensure_future(in_thread(lambda: self._write(held)))

    async def publish(self) -> None:
        """Lock and keep the last of what came, and let it be found. Raises OSError."""
        held, self._held = self._held, bytearray()
        await self._written()
        await in_thread(lambda: self._publish(held))

    async def _written(self) -> None:
        """All that left memory is; one piece is written at a time."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await to_its_end(writing)

    def _write(self, held: bytearray, *, to_the_end: bool = False) -> Draft:
        """Some whole frames, that others follow; or, to the end, all that is left."""
        if self._draft is None:
            self._draft = self._shelf.begin(self._practice_id, self.version)
            self._draft.write(HEAD)
        self._digest.update(held)
        if self._check is not None:
            self._check.feed(held)
        out, view = bytearray(), memoryview(held)
        for start in range(0, len(held) or 1, FRAME):
            is_last = to_the_end and start + FRAME >= len(held)
            out += self._frames.lock(self._done, view[start : start + FRAME], is_last=is_last)
            self._done += 1
        self._draft.write(out)
        return self._draft

    def _publish(self, held: bytearray) -> None:
        self._write(held, to_the_end=True).publish()
