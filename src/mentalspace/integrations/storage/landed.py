"""The bytes of a landed document, on their way out: piece by piece, and counted as they go."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from mentalspace.integrations.storage.document import Document

PIECE_BYTES = 256 * 1024


class Altered(Exception):
    """What lies on our disk is not what landed."""


class Landed:
    """Made for one upload, and closed after it. `md5` is known once all of it has left; `trouble`
    says why it did not.

    The last piece is held back until the sum of all is known: altered bytes never arrive whole, so
    a provider that is told the length keeps none of them.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._path = Path(document.landed)
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._source: BinaryIO | None = None
        self._over = False
        self.trouble: str | None = None

    @property
    def md5(self) -> str:
        """Of what has left so far."""
        return self._md5.hexdigest()

    async def look(self) -> str | None:
        """What is wrong before anything leaves: it is not there, or of another size."""
        try:
            size_bytes = (await asyncio.to_thread(self._path.stat)).st_size
        except OSError:
            return "landed_missing"
        return None if size_bytes == self._document.size_bytes else "landed_altered"

    async def pieces(self) -> AsyncIterator[bytes]:
        """Raises Altered, or OSError if it cannot be read."""
        try:
            source = await asyncio.to_thread(self._open)
        except OSError:
            self.trouble = "landed_missing"
            raise
        before = b""
        while piece := await asyncio.to_thread(source.read, PIECE_BYTES):
            self._md5.update(piece)
            self._sha256.update(piece)
            if before:
                yield before
            before = piece
        if self._sha256.hexdigest() != self._document.sha256:
            self.trouble = "landed_altered"
            raise Altered("these are not the bytes that landed")
        if before:
            yield before

    def close(self) -> None:
        """However far it got: whoever asked for pieces may have been cut short between two."""
        self._over = True
        if self._source is not None:
            self._source.close()

    def _open(self) -> BinaryIO:
        self._source = source = self._path.open("rb")
        if self._over:  # closed while a thread was about to open it
            source.close()
        return source
