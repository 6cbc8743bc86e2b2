"""A locked file that grows: its end says how far it has come, and what a crash tore is cut off."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from mentalspace.integrations.storage.lock.strips import (
    HEAD,
    MORE,
    TAIL,
    StripBroken,
    Strips,
    size_after,
    size_before,
)

# None is longer: what is held of one request, and the piece that filled it.
_LONGEST = 2**24


class Growing:
    """What lies behind a handle that nobody else writes through. `size` is how much came, as it
    came. Touches the disk: from a loop, in a thread. Everything raises OSError."""

    def __init__(self, handle: int, key: bytes) -> None:
        self._handle = handle
        self._strips = Strips(key)
        self.size = self._end = 0
        length = os.fstat(handle).st_size
        try:
            self.size, self._end = self._size_at(length), length
        except StripBroken:
            self.mend()

    def append(self, plain: bytes | bytearray) -> None:
        """All of it, or nothing."""
        locked = memoryview(self._strips.lock(self.size, plain))
        at = self._end
        try:
            while locked:
                written = os.pwrite(self._handle, locked, at)
                at, locked = at + written, locked[written:]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._handle, self._end)
            raise
        self.size, self._end = self.size + len(plain), at

    def pieces(self) -> Iterator[bytes]:
        """All that came, from the beginning. Raises StripBroken."""
        for _, plain in self._strips_from_the_beginning(self._end):
            yield plain

    def mend(self) -> None:
        """Keep what is whole up to the first strip that is not: the rest can come again."""
        self.size = self._end = 0
        with suppress(StripBroken):
            length = os.fstat(self._handle).st_size
            for end, plain in self._strips_from_the_beginning(length):
                self.size, self._end = self.size + len(plain), end
        os.ftruncate(self._handle, self._end)

    def _size_at(self, length: int) -> int:
        """By the last strip alone. Raises StripBroken."""
        if not length:
            return 0
        whole = MORE + size_before(os.pread(self._handle, TAIL, max(length - TAIL, 0)))
        start, plain = self._strips.open(self._read(length - whole, whole))
        return start + len(plain)

    def _strips_from_the_beginning(self, length: int) -> Iterator[tuple[int, bytes]]:
        """Each with where it ends in the file."""
        size = end = 0
        while end < length:
            whole = MORE + size_after(os.pread(self._handle, HEAD, end))
            start, plain = self._strips.open(self._read(end, whole))
            if start != size:
                raise StripBroken
            size, end = size + len(plain), end + whole
            yield end, plain

    def _read(self, at: int, whole: int) -> bytes:
        if at < 0 or whole > _LONGEST:
            raise StripBroken
        raw = os.pread(self._handle, whole, at)
        while len(raw) < whole and (
            more := os.pread(self._handle, whole - len(raw), at + len(raw))
        ):
            raw += more
        return raw
