"""A landed version's bytes, for whoever looks at them here."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

from mentalspace.integrations.storage.desk import Desk
from mentalspace.integrations.storage.disk.reading import Content, open_file, read
from mentalspace.integrations.storage.lock import keys


async def stored_content(desk: Desk, practice_id: UUID, version: str, size: int) -> Content:
    """With what opens it. Raises keys.NoKey, or SealBroken."""
    async with desk.database.as_worker(practice_id) as connection:
        key = await keys.key_of(connection, desk.vault, practice_id, version)
    return Content(practice_id, version, size, key)


async def stored_pieces(desk: Desk, content: Content, sha256: str) -> AsyncGenerator[bytes]:
    """All of it, piece by piece. Raises OSError, or FileDamaged."""
    stretch = await open_file(desk.shelf, content, 0, content.size)
    async with aclosing(read(stretch, sha256=sha256)) as pieces:
        async for piece in pieces:
            yield piece
