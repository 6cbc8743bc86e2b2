"""The rows of buckets."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection

_COLUMNS = """id, name, coalesce(owner_id, '') as owner, public, file_size_limit,
       allowed_mime_types, type, created_at, updated_at, quota_bytes, retention_days,
       versioning_status"""
_LIST = f"""
select {_COLUMNS} from storage.buckets where $1 = '' or strpos(lower(name), lower($1)) > 0
 order by id limit $2 offset $3
"""
_FIND = f"select {_COLUMNS} from storage.buckets where id = $1"
_ADD = """
insert into storage.buckets (practice_id, id, name, owner, owner_id, file_size_limit,
                             allowed_mime_types, quota_bytes, retention_days)
values ($1, $2, $3, $4::uuid, $4::uuid::text, $5, $6, $7, $8)
"""
_CHANGE = """
update storage.buckets set
  file_size_limit = case when $2 then $3 else file_size_limit end,
  allowed_mime_types = case when $4 then $5::text[] else allowed_mime_types end,
  quota_bytes = case when $6 then $7 else quota_bytes end,
  retention_days = coalesce($8, retention_days),
  updated_at = app.now()
 where id = $1 returning true
"""
_DELETE = "delete from storage.buckets where id = $1 returning true"
_NAMES = "select name from storage.file where bucket_id = $1 order by name limit $2"


async def list_buckets(
    connection: Connection, search: str, limit: int, offset: int
) -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.fetch(_LIST, search, limit, offset)]


async def find_bucket(connection: Connection, bucket: str) -> dict[str, Any] | None:
    row = await connection.fetchrow(_FIND, bucket)
    return None if row is None else dict(row)


async def add_bucket(
    connection: Connection,
    practice_id: UUID,
    bucket: str,
    name: str,
    owner_id: UUID,
    limit: int | None,
    types: list[str] | None,
    quota_bytes: int | None,
    retention_days: int,
) -> None:
    await connection.execute(
        _ADD, practice_id, bucket, name, owner_id, limit, types, quota_bytes, retention_days
    )


async def change_bucket(connection: Connection, bucket: str, given: dict[str, Any]) -> bool:
    """Set those of `file_size_limit`, `allowed_mime_types`, `quota_bytes` and `retention_days` that
    are given; False if nothing was theirs to change."""
    changed = await connection.fetchval(
        _CHANGE,
        bucket,
        "file_size_limit" in given,
        given.get("file_size_limit"),
        "allowed_mime_types" in given,
        given.get("allowed_mime_types"),
        "quota_bytes" in given,
        given.get("quota_bytes"),
        given.get("retention_days"),
    )
    return bool(changed)


async def delete_bucket(connection: Connection, bucket: str) -> bool:
    """False if nothing was theirs to delete. The database refuses while a file is in it."""
    return bool(await connection.fetchval(_DELETE, bucket))


async def some_names(connection: Connection, bucket: str, limit: int) -> list[str]:
    return [row["name"] for row in await connection.fetch(_NAMES, bucket, limit)]
