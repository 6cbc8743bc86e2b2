"""The rows of versions that were replaced or deleted, and are kept for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.integrations.storage.store.objects import COLUMNS, NewFile, Stored

Why: TypeAlias = Literal["replaced", "deleted"]

# A removed version in a file's columns.
_STORED = """file_id as id, bucket_id, name, owner, owner_id, version, created_at,
       added_at as updated_at, added_at as last_accessed_at, metadata, user_metadata, label,
       (select s.state from storage.scan s
         where s.practice_id = archived.practice_id and s.version = archived.version) as scanned"""
_REMOVED = f"""{_STORED}, why, removed_by, archived_at, purge_at,
       storage.held(file_id, name) as is_held"""
_FIND = f"select {_STORED} from storage.archived where version = $1"
_CURRENT = f"""
select {COLUMNS}, storage.held(id, name) as is_held from storage.file
 where bucket_id = $1 and name = $2
"""
# Those that lay there, and those of the file that is there, wherever they lay.
_VERSIONS = f"""
select {_REMOVED} from storage.archived
 where bucket_id = $1 and name = $2 or file_id = $3
 order by archived_at desc, version limit $4
"""
# Of each name with no file, the version that was there last.
_DELETED = f"""
select * from (
  select distinct on (name) {_REMOVED} from storage.archived
   where bucket_id = $1 and starts_with(name, $2)
     and not exists (select from storage.file f
                      where f.bucket_id = archived.bucket_id and f.name = archived.name)
   order by name, archived_at desc
) last where why = 'deleted' order by archived_at desc, name limit $3 offset $4
"""
# In a client's folders; of one file alone if it is named. Whether a file is there instead.
_OF_CLIENT = f"""
select {_REMOVED}, exists (
         select from storage.file f
          where f.id = archived.file_id
             or f.bucket_id = archived.bucket_id and f.name = archived.name) as is_there
  from storage.archived
 where bucket_id = any ($1) and storage.client_of(name) = $2 and starts_with(name, $2::text || '/')
   and ($3::uuid is null or file_id = $3 or (bucket_id, name) = (
     select f.bucket_id, f.name from storage.file f where f.id = $3))
 order by archived_at desc, version limit $4
"""
_RESTORE = """
with old as (select version from storage.file where bucket_id = $2 and name = $3)
insert into storage.file (practice_id, bucket_id, name, owner, owner_id, version, metadata,
                          user_metadata, label, id)
values ($1, $2, $3, $4::uuid, $4::uuid::text, $5, $6, $7, $8, $9)
on conflict (practice_id, bucket_id, name) do update set
  owner = excluded.owner, owner_id = excluded.owner_id, version = excluded.version,
  metadata = excluded.metadata, user_metadata = excluded.user_metadata,
  label = coalesce(file.label, excluded.label), updated_at = app.now()
returning id, (select version from old) as replaced
"""
_TAKE_OUT = "select storage.take_out($1, $2)"
_DUE_OF = "select distinct practice_id from storage.archived where purge_at <= app.now()"
_PURGE = "select version, file_id, bucket_id from storage.purge($1, $2)"
_WHY = "select storage.version_refused_by($1, $2)"


@dataclass(frozen=True, slots=True)
class Removed:
    """A version that is no file's any more. `removed_by` is None where nobody was logged in."""

    stored: Stored
    why: Why
    removed_by: UUID | None
    archived_at: datetime
    purge_at: datetime
    is_held: bool


@dataclass(frozen=True, slots=True)
class Purged:
    """A version whose row is gone, and the key of its bytes with it."""

    version: str
    file_id: UUID
    bucket_id: str


async def find_removed(connection: Connection, version: str) -> Stored | None:
    """None if it is not there, or not theirs to see."""
    row = await connection.fetchrow(_FIND, version)
    return None if row is None else Stored(**dict(row))


async def find_current(
    connection: Connection, bucket: str, name: str
) -> tuple[Stored, bool] | None:
    """The file that is there, and whether it is held."""
    row = await connection.fetchrow(_CURRENT, bucket, name)
    if row is None:
        return None
    values = dict(row)
    is_held = values.pop("is_held")
    return Stored(**values), is_held


async def removed_at(
    connection: Connection, bucket: str, name: str, file_id: UUID | None, most: int
) -> list[Removed]:
    """What lay there, or is of that file; the newest first."""
    rows = await connection.fetch(_VERSIONS, bucket, name, file_id, most)
    return [_removed(row) for row in rows]


async def deleted_in(
    connection: Connection, bucket: str, prefix: str, limit: int, offset: int
) -> list[Removed]:
    """Names that no file has any more, each with what was there last; the newest first."""
    rows = await connection.fetch(_DELETED, bucket, prefix, limit, offset)
    return [_removed(row) for row in rows]


async def removed_of(
    connection: Connection, client_id: UUID, buckets: Sequence[str], file_id: UUID | None, most: int
) -> list[tuple[Removed, bool]]:
    """What was removed of a client's documents, or of one; and whether a file is there in its
    place, or it is one of that file. The newest first."""
    rows = await connection.fetch(_OF_CLIENT, list(buckets), client_id, file_id, most)
    split = [(values.pop("is_there"), values) for values in map(dict, rows)]
    return [(_removed(values), is_there) for is_there, values in split]


async def restore(connection: Connection, file_id: UUID, again: NewFile) -> tuple[UUID, str | None]:
    """A removed version's row among the files: its own file again, unless another lies there. Its
    id, and the version that it replaced. As whoever asks; its key is the worker's to bring."""
    row = await connection.fetchrow(
        _RESTORE, again.practice_id, again.bucket, again.name, again.owner_id, again.version,
        again.metadata, again.user_metadata, again.label, file_id,
    )  # fmt: skip
    assert row is not None
    return row["id"], row["replaced"]


async def take_out(connection: Connection, version: str, file_id: UUID) -> bool:
    """Of the archive, once that file has it again; False if it was purged meanwhile. As the
    practice's worker, before anything is written into the audit."""
    return bool(await connection.fetchval(_TAKE_OUT, version, file_id))


async def refused_by(connection: Connection, claims: dict[str, Any], version: str) -> str | None:
    """The policy that stood in the way of seeing a version. As the practice's worker."""
    policy: str | None = await connection.fetchval(_WHY, claims, version)
    return policy


async def with_due(connection: Connection) -> list[UUID]:
    """The practices that have versions whose time is over. As the dispatcher."""
    return [row["practice_id"] for row in await connection.fetch(_DUE_OF)]


async def purge(
    connection: Connection, most: int, those: Sequence[str] | None = None
) -> list[Purged]:
    """Some whose time is over and that nobody holds, of `those` or of all. As the practice's
    worker, before anything is written into the audit."""
    named = None if those is None else list(those)
    return [Purged(**dict(row)) for row in await connection.fetch(_PURGE, most, named)]


def _removed(row: Any) -> Removed:
    values = dict(row)
    apart = {name: values.pop(name) for name in
             ("why", "removed_by", "archived_at", "purge_at", "is_held")}  # fmt: skip
    return Removed(Stored(**values), **apart)
