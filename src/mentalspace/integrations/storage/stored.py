"""A landed version's bytes, for whoever looks at them here."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

from mentalspace.integrations.storage.desk import Desk
from mentalspace.integrations.storage.disk.reading import open_file, read


async def stored_pieces(
    desk: Desk, practice_id: UUID, version: str, size: int, sha256: str
) -> AsyncGenerator[bytes, None]:
    """All of it, piece by piece. Raises OSError, or FileDamaged."""
    file = await open_file(desk.shelf.place(practice_id, version))
    async with aclosing(read(file, 0, size, sha256=sha256)) as pieces:
        async for piece in pieces:
            yield piece
