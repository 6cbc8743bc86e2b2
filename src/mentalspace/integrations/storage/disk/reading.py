"""Gives a file's bytes out, all of them or a stretch, without holding more than one piece."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from mentalspace.integrations.storage.disk.thread import in_thread
from mentalspace.kernel.errors import MentalSpaceError

_PIECE = 2**19


class FileDamaged(MentalSpaceError):
    """The bytes on the disk are not those that came. The last of them were not given out."""


async def open_file(path: Path) -> BinaryIO:
    """Raises FileNotFoundError. Whoever gets it hands it to `read`, which closes it."""
    return await in_thread(lambda: path.open("rb", buffering=0))


async def read(
    file: BinaryIO, start: int, end: int, *, sha256: str | None = None
) -> AsyncGenerator[bytes, None]:
    """The bytes from `start` up to, not including, `end`; closes the file.

    With a digest, which is the whole file's, the last piece is given out only once it is right.
    Raises FileDamaged.
    """
    digest = None if sha256 is None else hashlib.sha256()
    try:
        left = end - start
        file.seek(start)
        while left:
            piece = await in_thread(partial(_next, file, min(left, _PIECE), digest))
            left -= len(piece)
            if not piece or (not left and digest is not None and digest.hexdigest() != sha256):
                raise FileDamaged("a stored file is not what was stored")
            yield piece
    finally:
        file.close()


def _next(file: BinaryIO, most: int, digest: Any) -> bytes:
    piece = file.read(most)
    if digest is not None:
        digest.update(piece)
    return piece
