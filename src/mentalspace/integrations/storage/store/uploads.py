"""The rows of uploads that may be broken off and gone on with, each as whoever began it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.integrations.storage.refusal import TOO_MANY_UPLOADS, UPLOAD_GONE, Refused

# So many may one person have begun and not finished.
MOST_AT_ONCE = 100

_COLUMNS = """id, bucket_id, name, upsert, length_bytes, media_type, cache_control, user_metadata,
       label, told, created_at, expires_at, finished_at is not null as is_whole"""
_ADD = """
insert into storage.upload (practice_id, id, bucket_id, name, owner_id, upsert, length_bytes,
                            media_type, cache_control, user_metadata, label, told, created_at,
                            expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""
_UNFINISHED = (
    "select count(*) from storage.upload where finished_at is null and expires_at > app.now()"
)
_FIND = f"select {_COLUMNS} from storage.upload where id = $1 and bucket_id = $2 and name = $3"
_SET_LENGTH = "update storage.upload set length_bytes = $2 where id = $1 and length_bytes is null"
_FINISH = """
update storage.upload set object_id = $2, finished_at = app.now()
 where id = $1 and finished_at is null returning true
"""
_REMOVE = "delete from storage.upload where id = $1"
_EXPIRED = "delete from storage.upload where expires_at < app.now() returning id"
_OPEN = "select id from storage.upload where id = any ($1) and finished_at is null"


@dataclass(frozen=True, slots=True)
class Upload:
    """`length_bytes` is None until it is known; `told` what was sent along, as it was sent."""

    id: UUID
    bucket_id: str
    name: str
    upsert: bool
    length_bytes: int | None
    media_type: str
    cache_control: str
    user_metadata: Mapping[str, Any] | None
    label: str | None
    told: str
    created_at: datetime
    expires_at: datetime
    is_whole: bool = False


async def add(connection: Connection, practice_id: UUID, owner_id: UUID, new: Upload) -> None:
    """Raises Refused for somebody who has begun too many."""
    if await connection.fetchval(_UNFINISHED) >= MOST_AT_ONCE:
        raise Refused(TOO_MANY_UPLOADS)
    await connection.execute(
        _ADD,
        practice_id,
        new.id,
        new.bucket_id,
        new.name,
        owner_id,
        new.upsert,
        new.length_bytes,
        new.media_type,
        new.cache_control,
        new.user_metadata,
        new.label,
        new.told,
        new.created_at,
        new.expires_at,
    )


async def find(connection: Connection, upload_id: UUID, bucket: str, name: str) -> Upload | None:
    """None if there is none of all three, or it is somebody else's."""
    row = await connection.fetchrow(_FIND, upload_id, bucket, name)
    return None if row is None else Upload(**dict(row))


async def set_length(connection: Connection, upload_id: UUID, length_bytes: int) -> None:
    await connection.execute(_SET_LENGTH, upload_id, length_bytes)


async def finish(connection: Connection, upload_id: UUID, object_id: UUID) -> None:
    """Once. Raises Refused if it was ended meanwhile."""
    if not await connection.fetchval(_FINISH, upload_id, object_id):
        raise Refused(UPLOAD_GONE)


async def remove(connection: Connection, upload_id: UUID) -> None:
    await connection.execute(_REMOVE, upload_id)


async def remove_expired(connection: Connection) -> list[UUID]:
    """As the dispatcher."""
    return [row["id"] for row in await connection.fetch(_EXPIRED)]


async def still_open(connection: Connection, upload_ids: Sequence[UUID]) -> set[UUID]:
    """Which of them are known and not whole. As the dispatcher."""
    return {row["id"] for row in await connection.fetch(_OPEN, list(upload_ids))}
