"""What came so far of an upload that may be broken off: one file, written by one request at a time.

How far it has come is what lies in the file, locked as it came, and nothing else. It is told to
somebody only once that is on the disk, so that neither a killed process nor a power cut makes it
untrue.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from mentalspace.integrations.storage.disk.growing import Growing
from mentalspace.integrations.storage.disk.thread import in_thread

# So much is held in memory of one request, and then written.
_HELD = 2**20
# A request that nothing has come from for so long is over. One that waits for its turn may end it
# sooner: a line that is broken on one side only would keep everybody out.
STALLS_S = 30.0
_QUIET_S = 1.0
_WAIT_S = 5.0
_LOOK_EVERY_S = 0.05


class Busy(Exception):
    """Another request writes."""


class Stalled(Exception):
    """Nothing came for too long, or somebody else's turn has begun."""


class Partial:
    """Handed out by `turn`, and nobody's to read until it was unlocked. What comes out of it raises
    StripBroken where it is not what came."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path = path
        self._handle = handle
        self._held = bytearray()
        self._growing: Growing | None = None

    async def unlock(self, key: bytes) -> None:
        """Find out how far it has come. What a crash tore is cut off. Raises OSError."""
        self._growing = await in_thread(lambda: Growing(self._handle, key))

    @property
    def size(self) -> int:
        """How much came, in this turn as well."""
        return self._open.size + len(self._held)

    async def head(self, most: int) -> bytes:
        return await in_thread(lambda: self._head(most))

    async def write(self, piece: bytes) -> None:
        self._held += piece
        if len(self._held) >= _HELD:
            await self._flush()

    async def settle(self) -> int:
        """How much is there, once it is on the disk. Raises OSError."""
        await self._flush()
        await in_thread(lambda: os.fsync(self._handle))
        return self.size

    async def pieces(self) -> AsyncIterator[bytes]:
        """All of it, from the beginning."""
        pieces = self._open.pieces()
        while piece := await in_thread(lambda: next(pieces, b"")):
            yield piece

    async def mend(self) -> None:
        """Keep what can be read; from there on it can be sent again. Raises OSError."""
        self._held.clear()
        await in_thread(self._open.mend)

    async def delete(self) -> None:
        """Its bytes are somewhere else, or nobody's. Twice is no mistake."""
        self._held.clear()
        await in_thread(lambda: self._path.unlink(missing_ok=True))

    async def leave(self) -> None:
        """What came stays, even of a line that broke."""
        try:
            with suppress(OSError):
                await self._flush()
        finally:
            os.close(self._handle)

    async def _flush(self) -> None:
        held, self._held = self._held, bytearray()
        if held:
            await in_thread(lambda: self._open.append(held))

    def _head(self, most: int) -> bytes:
        head = b""
        for piece in self._open.pieces():
            head += piece[: most - len(head)]
            if len(head) >= most:
                break
        return head

    @property
    def _open(self) -> Growing:
        assert self._growing is not None, "unlock it first"
        return self._growing


@asynccontextmanager
async def turn(path: Path) -> AsyncIterator[tuple[Partial | None, Patience]]:
    """The file as nobody else has it, on whatever host; None if there is none. Raises Busy."""
    handle = await _take(path)
    partial = None if handle is None else Partial(path, handle)
    patience = Patience()
    if partial is not None:
        _TURNS[path] = patience
    try:
        yield partial, patience
    finally:
        if partial is not None:
            del _TURNS[path]
            await partial.leave()


class Patience:
    """How long a turn waits for its line."""

    def __init__(self) -> None:
        self._scope: asyncio.Timeout | None = None
        self._heard_at = time.monotonic()

    async def listen(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same pieces, as long as they come. Raises Stalled."""
        try:
            while True:
                self._heard_at = time.monotonic()
                async with asyncio.timeout(STALLS_S) as self._scope:
                    piece = await anext(pieces, None)
                self._scope = None
                if piece is None:
                    return
                yield piece
        except TimeoutError as error:
            raise Stalled from error

    def give_way(self) -> None:
        """Ends a turn that waits for a line on which nothing has come for a while."""
        if self._scope is not None and time.monotonic() - self._heard_at > _QUIET_S:
            self._scope.reschedule(asyncio.get_running_loop().time())


# Those of this process. On another host a turn ends when it stalls.
_TURNS: dict[Path, Patience] = {}


async def _take(path: Path) -> int | None:
    ends = time.monotonic() + _WAIT_S
    while True:
        try:
            # Not in a thread: whoever is cancelled meanwhile would leave it locked.
            return _lock(path)
        except FileNotFoundError:
            return None
        except BlockingIOError as error:
            if time.monotonic() > ends:
                raise Busy from error
        if (other := _TURNS.get(path)) is not None:
            other.give_way()
        await asyncio.sleep(_LOOK_EVERY_S)


def _lock(path: Path) -> int:
    """Raises FileNotFoundError, or BlockingIOError while somebody has it. A process that dies lets
    go of it."""
    handle = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_nlink == 0:  # its last turn ended it
            raise FileNotFoundError
    except BaseException:
        os.close(handle)
        raise
    return handle
