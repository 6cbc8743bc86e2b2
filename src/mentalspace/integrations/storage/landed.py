"""The bytes of a landed document, on their way out: piece by piece, and counted as they go."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from mentalspace.engine.db import Database
from mentalspace.engine.secrets import SealBroken, Vault
from mentalspace.integrations.storage.disk.reading import (
    Content,
    FileDamaged,
    Stretch,
    open_file,
    opened,
    read,
)
from mentalspace.integrations.storage.disk.thread import in_thread
from mentalspace.integrations.storage.document import ON_SHELF, Document
from mentalspace.integrations.storage.lock import keys
from mentalspace.integrations.storage.shelf import Shelf, Source
from mentalspace.integrations.storage.store.objects import Limits, limits_for_worker


class Landings(Protocol):
    """Where landed documents are looked for."""

    async def open(self, document: Document) -> tuple[Stretch, bool]:
        """All of it, and whether it is as long as it was. Raises OSError, keys.NoKey or
        SealBroken if it cannot be had."""
        ...

    async def limits(self, bucket: str) -> Limits | None:
        """What a bucket of that name takes here; None if there is none."""
        ...


class PlainLandings:
    """Files of this machine that a reference names by their paths: samples, and what landed before
    files were locked."""

    async def open(self, document: Document) -> tuple[Stretch, bool]:
        path = Path(document.landed)
        content = Content(UUID(int=0), document.version, document.size_bytes, None)
        there = (await in_thread(path.stat)).st_size
        source = await opened(lambda: path.open("rb"))
        return Stretch(source, content, 0, document.size_bytes), there == document.size_bytes

    async def limits(self, bucket: str) -> Limits | None:  # noqa: ARG002
        """Nothing is known of buckets here."""
        return None


@dataclass(frozen=True, slots=True)
class ShelfLandings:
    """One practice's shelf, where its keys open what is locked."""

    database: Database
    vault: Vault
    shelf: Shelf
    practice_id: UUID

    async def open(self, document: Document) -> tuple[Stretch, bool]:
        if document.landed != ON_SHELF:
            return await PlainLandings().open(document)
        async with self.database.as_worker(self.practice_id) as connection:
            key = await keys.key_of(connection, self.vault, self.practice_id, document.version)
        content = Content(self.practice_id, document.version, document.size_bytes, key)
        there = await in_thread(lambda: self.shelf.size(self.practice_id, document.version))
        stretch = await open_file(self.shelf, content, 0, document.size_bytes)
        return stretch, there == content.shelved_size

    async def limits(self, bucket: str) -> Limits | None:
        async with self.database.as_worker(self.practice_id) as connection:
            return await limits_for_worker(connection, self.practice_id, bucket)


class Altered(Exception):
    """What lies on our shelf is not what landed."""


class Landed:
    """Made for one upload, and closed after it. `md5` is known once all of it has left; `trouble`
    says why it did not.

    The last piece is held back until the sum of all is known: altered bytes never arrive whole, so
    a provider that is told the length keeps none of them.
    """

    def __init__(self, document: Document, landings: Landings) -> None:
        self._document = document
        self._landings = landings
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._source: Source | None = None
        self._over = False
        self.trouble: str | None = None

    @property
    def md5(self) -> str:
        """Of what has left so far."""
        return self._md5.hexdigest()

    async def look(self) -> str | None:
        """What is wrong before anything leaves: it is not there, or of another size."""
        try:
            stretch, is_whole = await self._landings.open(self._document)
        except (OSError, keys.NoKey, SealBroken):
            return "landed_missing"
        stretch.source.close()
        return None if is_whole else "landed_altered"

    async def pieces(self) -> AsyncIterator[bytes]:
        """Raises Altered, or OSError if it cannot be read."""
        try:
            stretch, _ = await self._landings.open(self._document)
        except (OSError, keys.NoKey, SealBroken):
            self.trouble = "landed_missing"
            raise
        self._source = stretch.source
        if self._over:  # closed while it was about to be opened
            self._source.close()
        try:
            async with aclosing(read(stretch, sha256=self._document.sha256)) as pieces:
                async for piece in pieces:
                    self._md5.update(piece)
                    yield piece
        except FileDamaged as error:
            self.trouble = "landed_altered"
            raise Altered("these are not the bytes that landed") from error

    def close(self) -> None:
        """However far it got: whoever asked for pieces may have been cut short between two."""
        self._over = True
        if self._source is not None:
            self._source.close()
