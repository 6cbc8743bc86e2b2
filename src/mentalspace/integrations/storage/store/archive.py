"""The rows of versions that were replaced or deleted, and are kept for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from mentalspace.engine.db import Connection

_DUE_OF = "select distinct practice_id from storage.archived where purge_at <= app.now()"
_PURGE = "select version, file_id, bucket_id from storage.purge($1, $2)"


@dataclass(frozen=True, slots=True)
class Purged:
    """A version whose row is gone, and the key of its bytes with it."""

    version: str
    file_id: UUID
    bucket_id: str


async def with_due(connection: Connection) -> list[UUID]:
    """The practices that have versions whose time is over. As the dispatcher."""
    return [row["practice_id"] for row in await connection.fetch(_DUE_OF)]


async def purge(
    connection: Connection, most: int, those: Sequence[str] | None = None
) -> list[Purged]:
    """Some whose time is over, of `those` or of all. As the practice's worker."""
    named = None if those is None else list(those)
    return [Purged(**dict(row)) for row in await connection.fetch(_PURGE, most, named)]
