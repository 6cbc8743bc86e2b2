"""Gives a file's bytes out, all of them or a stretch, without holding more than a few frames."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from mentalspace.integrations.storage.disk.thread import in_thread, to_its_end
from mentalspace.integrations.storage.lock.frames import (
    FRAME,
    HEAD,
    FrameBroken,
    Frames,
    count_of,
    locked_size,
    place_of,
)
from mentalspace.integrations.storage.shelf import Shelf, Source
from mentalspace.kernel.errors import MentalSpaceError

# So many frames are opened at once, and as many while those are on their way out.
_AT_ONCE = 4


class FileDamaged(MentalSpaceError):
    """The bytes on the shelf are not those that came. The last of them were not given out."""


@dataclass(frozen=True, slots=True)
class Content:
    """A version's bytes: `size` as they came in; `key` opens them, None for what was never locked,
    having landed before files were."""

    practice_id: UUID
    version: str
    size: int
    key: bytes | None

    @property
    def shelved_size(self) -> int:
        return self.size if self.key is None else locked_size(self.size)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The bytes of a file from `start` up to, not including, `end`, with what they lie in open.
    Whoever has it hands it to `read`, which closes it."""

    source: Source
    content: Content
    start: int
    end: int


async def open_file(shelf: Shelf, content: Content, start: int, end: int) -> Stretch:
    """Raises OSError, FileNotFoundError if it is not there."""
    begins, ends = (start, end) if content.key is None else _around(content.size, start, end)

    def open_it() -> Source:
        return shelf.open(content.practice_id, content.version, begins, ends)

    return Stretch(await opened(open_it), content, start, end)


async def opened(open_it: Callable[[], Source]) -> Source:
    """In a thread; closed again for a caller that is cancelled meanwhile."""
    sources: list[Source] = []
    try:
        await in_thread(lambda: sources.append(open_it()))
    except BaseException:
        for source in sources:
            source.close()
        raise
    return sources[0]


async def read(stretch: Stretch, *, sha256: str | None = None) -> AsyncGenerator[bytes]:
    """Piece by piece, the next ones being read meanwhile. With a digest, which is the whole file's,
    the last pieces are given out only once it is right. Raises FileDamaged."""
    digest = None if sha256 is None else hashlib.sha256()
    left = stretch.end - stretch.start
    pieces = _plain(stretch) if stretch.content.key is None else _opened(stretch)

    def coming() -> asyncio.Future[list[bytes]]:
        return asyncio.ensure_future(in_thread(lambda: _next(pieces, digest)))

    with closing(stretch.source):
        ahead = coming() if left else None
        try:
            while ahead is not None:
                some = await ahead
                left -= sum(map(len, some))
                if not some or (not left and digest is not None and digest.hexdigest() != sha256):
                    raise FileDamaged("a stored file is not what was stored")
                ahead = coming() if left else None
                for piece in some:
                    yield piece
        finally:
            if ahead is not None:
                with suppress(Exception):
                    await to_its_end(ahead)


def _next(pieces: Iterator[bytes], digest: Any) -> list[bytes]:
    try:
        some = list(islice(pieces, _AT_ONCE))
    except FrameBroken as error:
        raise FileDamaged("a stored file is not what was stored") from error
    if digest is not None:
        for piece in some:
            digest.update(piece)
    return some


def _plain(stretch: Stretch) -> Iterator[bytes]:
    left = stretch.end - stretch.start
    while piece := stretch.source.read(min(left, FRAME)):
        left -= len(piece)
        yield piece


def _opened(stretch: Stretch) -> Iterator[bytes]:
    """Frame by frame; of the first and the last what lies within the stretch. Raises
    FrameBroken."""
    content = stretch.content
    assert content.key is not None
    frames, last = Frames(content.key), count_of(content.size) - 1
    for number in range(stretch.start // FRAME, (stretch.end - 1) // FRAME + 1):
        begins, ends = place_of(number, content.size)
        locked = _exactly(stretch.source, ends - begins)
        plain = frames.open(number, locked, is_last=number == last)
        offset = number * FRAME
        whole = stretch.start <= offset and offset + len(plain) <= stretch.end
        yield plain if whole else plain[max(stretch.start - offset, 0) : stretch.end - offset]


def _exactly(source: Source, size: int) -> bytes:
    """Raises FrameBroken if the file ends before that."""
    piece = source.read(size)
    while len(piece) < size:
        more = source.read(size - len(piece))
        if not more:
            raise FrameBroken
        piece += more
    return piece


def _around(size: int, start: int, end: int) -> tuple[int, int]:
    """Where on the shelf the frames lie that the stretch is in."""
    if start == end:
        return len(HEAD), len(HEAD)
    return place_of(start // FRAME, size)[0], place_of((end - 1) // FRAME, size)[1]
