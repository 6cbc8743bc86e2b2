"""A labelled file and its notice in one ZIP, whose length is known before its first byte.

The file's bytes are in it as they are, in deflate's stored blocks: nothing is packed, and a reader
that takes the archive from the front can tell where they end.
"""

from __future__ import annotations

import struct
import textwrap
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from mentalspace.integrations.storage.notice import LONG, SECTION

NOTICE_NAME = "NOTICE-42-CFR-PART-2.txt"
# Without ZIP64 an archive ends here.
LARGEST = 4_000_000_000

# source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3 and 4.4
_LOCAL = struct.Struct("<4s5H3L2H")
_AFTER = struct.Struct("<4s3L")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_UTF8, _SIZES_FOLLOW = 0x0800, 0x0008
_STORED, _DEFLATED = 0, 8
_VERSION, _MADE_ON_UNIX = 20, 3 << 8 | 20
_READABLE_FILE = 0o100644 << 16

# source: https://www.rfc-editor.org/rfc/rfc1951#section-3.2.4
_BLOCK = struct.Struct("<B2H")
_LONGEST_BLOCK = 0xFFFF
_LAST_BLOCK = _BLOCK.pack(1, 0, 0xFFFF)


@dataclass(frozen=True, slots=True)
class Bundle:
    """`name` is what the file is called in it, `at` when it was given, in the practice's hour."""

    name: str
    size: int
    sha256: str
    practice: str
    at: datetime

    @property
    def length(self) -> int:
        """Of the whole archive."""
        names = len(NOTICE_NAME.encode()) + len(self._inner_name)  # each stands twice
        heads = 2 * (_LOCAL.size + _CENTRAL.size + names)
        return heads + len(self._notice) + self._packed + _AFTER.size + _END.size

    async def around(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The archive's bytes. What `pieces` raises breaks it off, and it opens nowhere."""
        notice = self._notice
        told = _Entry(NOTICE_NAME.encode(), self.at, _STORED, _UTF8, 0)
        told.sum, told.packed, told.size = zlib.crc32(notice), len(notice), len(notice)
        yield told.local() + notice
        flags = _UTF8 | _SIZES_FOLLOW
        file = _Entry(self._inner_name, self.at, _DEFLATED, flags, len(told.local()) + len(notice))
        yield file.local()
        async for block in _blocks(pieces, file):
            yield block
        central = told.central() + file.central()
        ends_at = file.offset + len(file.local()) + file.packed + _AFTER.size
        end = _END.pack(b"PK\5\6", 0, 0, 2, 2, len(central), ends_at, 0)
        yield file.after() + central + end

    @property
    def _inner_name(self) -> bytes:
        """One step, whatever it was called; never the notice's own."""
        name = "".join(
            sign for sign in self.name if sign.isprintable() and sign not in '/\\:*?"<>|'
        )
        name = name.strip(". ") or "document"
        return (name if name.upper() != NOTICE_NAME else f"document-{name}")[:120].encode()

    @property
    def _packed(self) -> int:
        return self.size + _BLOCK.size * -(-self.size // _LONGEST_BLOCK) + len(_LAST_BLOCK)

    @property
    def _notice(self) -> bytes:
        said = [textwrap.fill(each, 78) for each in LONG]
        facts = [
            f"File:      {self._inner_name.decode(errors='ignore')}",
            f"Bytes:     {self.size}",
            f"SHA-256:   {self.sha256}",
            f"Given by:  {self.practice}",
            f"Given on:  {self.at:%Y-%m-%d %H:%M %Z}",
        ]
        head = f"Notice to accompany disclosure ({SECTION})"
        return "\r\n".join("\n\n".join([head, *said, "\n".join(facts), ""]).split("\n")).encode()


class _Entry:
    """One file in the archive. Sum and sizes are known once its bytes have passed."""

    def __init__(self, name: bytes, at: datetime, method: int, flags: int, offset: int) -> None:
        self._name, self._method, self._flags, self.offset = name, method, flags, offset
        self._time = at.hour << 11 | at.minute << 5 | at.second // 2
        self._date = at.year - 1980 << 9 | at.month << 5 | at.day
        self.sum = self.packed = self.size = 0

    def local(self) -> bytes:
        said = (0, 0, 0) if self._flags & _SIZES_FOLLOW else (self.sum, self.packed, self.size)
        kept = (self._flags, self._method, self._time, self._date)
        return _LOCAL.pack(b"PK\3\4", _VERSION, *kept, *said, len(self._name), 0) + self._name

    def after(self) -> bytes:
        return _AFTER.pack(b"PK\7\x08", self.sum, self.packed, self.size)

    def central(self) -> bytes:
        kept = (self._flags, self._method, self._time, self._date)
        sizes = (self.sum, self.packed, self.size)
        head = _CENTRAL.pack(
            b"PK\1\2", _MADE_ON_UNIX, _VERSION, *kept, *sizes,
            len(self._name), 0, 0, 0, 0, _READABLE_FILE, self.offset,
        )  # fmt: skip
        return head + self._name


async def _blocks(pieces: AsyncIterator[bytes], entry: _Entry) -> AsyncIterator[bytes]:
    """The file's bytes in blocks of one length, whatever pieces they come in."""
    held = bytearray()
    async for piece in pieces:
        entry.sum = zlib.crc32(piece, entry.sum)
        entry.size += len(piece)
        held += piece
        ready = bytearray()
        while len(held) >= _LONGEST_BLOCK:
            ready += _block(held[:_LONGEST_BLOCK])
            del held[:_LONGEST_BLOCK]
        entry.packed += len(ready)
        if ready:
            yield bytes(ready)
    last = (_block(held) if held else b"") + _LAST_BLOCK
    entry.packed += len(last)
    yield last


def _block(content: bytearray) -> bytes:
    return _BLOCK.pack(0, len(content), len(content) ^ 0xFFFF) + content
