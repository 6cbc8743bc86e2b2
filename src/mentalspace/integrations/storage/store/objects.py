"""The rows of files: found, put, renamed and taken away, each as whoever asks may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.integrations.storage.model import last_step

COLUMNS = """id, bucket_id, name, owner, owner_id, version, created_at, updated_at,
       last_accessed_at, metadata, user_metadata, label,
       (select s.state from storage.scan s
         where s.practice_id = file.practice_id and s.version = file.version) as scanned"""
_FIND = f"select {COLUMNS} from storage.file where bucket_id = $1 and name = $2"
_FIND_MANY = f"select {COLUMNS} from storage.file where bucket_id = $1 and name = any ($2)"
_FIND_ID = f"select {COLUMNS} from storage.file where id = $1"
_FIND_VERSION = f"select {COLUMNS} from storage.file where version = $1"
_KEEPS = "select storage.keeps_removed($1)"
_LIMITS = "select file_size_limit, allowed_mime_types from storage.limits_of($1)"
_LIMITS_KNOWN = """
select file_size_limit, allowed_mime_types from storage.buckets where practice_id = $1 and id = $2
"""
_INSERT = """
insert into storage.file (practice_id, bucket_id, name, owner, owner_id, version, metadata,
                          user_metadata, label)
values ($1, $2, $3, $4::uuid, $4::uuid::text, $5, $6, $7, $8)
"""
_ADD = f"{_INSERT} returning id, null as replaced, true as keeps_removed"
_PUT = f"""
with old as (select version from storage.file where bucket_id = $2 and name = $3)
{_INSERT}
on conflict (practice_id, bucket_id, name) do update set
  owner = excluded.owner, owner_id = excluded.owner_id, version = excluded.version,
  metadata = excluded.metadata, user_metadata = excluded.user_metadata,
  label = coalesce(file.label, excluded.label), updated_at = app.now()
returning id, (select version from old) as replaced, storage.keeps_removed($2) as keeps_removed
"""
_RENAME = """
update storage.file set bucket_id = $4, name = $5, updated_at = app.now()
 where bucket_id = $1 and name = $2 and version = $3 returning id
"""
_LABEL = "update storage.file set label = $2 where id = $1 returning true"
_REMOVE = f"""
delete from storage.file where bucket_id = $1 and name = any ($2)
returning {COLUMNS}, storage.keeps_removed($1) as keeps_removed
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a bucket takes: at most so many bytes of these types; None means all of them."""

    size: int | None
    types: list[str] | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A file's row. `metadata` is ours, in Supabase's words; `user_metadata` what came along."""

    id: UUID
    bucket_id: str
    name: str
    owner: UUID | None
    owner_id: str | None
    version: str
    created_at: datetime
    updated_at: datetime
    last_accessed_at: datetime
    metadata: Mapping[str, Any]
    user_metadata: Mapping[str, Any] | None
    label: str | None
    scanned: str | None

    @property
    def called(self) -> str:
        """What people call it, which may be in any script; its key is not."""
        name = (self.user_metadata or {}).get("display_name")
        return name if isinstance(name, str) and name else last_step(self.name)

    @property
    def size(self) -> int:
        return int(self.metadata["size"])

    @property
    def media_type(self) -> str:
        return str(self.metadata["mimetype"])

    @property
    def etag(self) -> str:
        """In its quotes."""
        return str(self.metadata["eTag"])

    @property
    def sha256(self) -> str:
        return self.etag.strip('"')


@dataclass(frozen=True, slots=True)
class NewFile:
    practice_id: UUID
    bucket: str
    name: str
    owner_id: UUID
    version: str
    metadata: Mapping[str, Any]
    user_metadata: Mapping[str, Any] | None
    label: str | None


@dataclass(frozen=True, slots=True)
class Put:
    """`replaced` is the version that went into the archive, of which the bucket keeps something or
    nothing."""

    id: UUID
    replaced: str | None
    keeps_removed: bool


@dataclass(frozen=True, slots=True)
class Removed:
    """Files that went into the archive, of which their bucket keeps something or nothing."""

    files: list[Stored]
    keeps_removed: bool

    @property
    def versions(self) -> list[str]:
        return [one.version for one in self.files]


async def limits_of(connection: Connection, bucket: str) -> Limits | None:
    """None if the practice has no such bucket."""
    row = await connection.fetchrow(_LIMITS, bucket)
    return None if row is None else Limits(row["file_size_limit"], row["allowed_mime_types"])


async def keeps_removed(connection: Connection, bucket: str) -> bool:
    """Whether what is removed from it is kept at all."""
    return bool(await connection.fetchval(_KEEPS, bucket))


async def limits_for_worker(
    connection: Connection, practice_id: UUID, bucket: str
) -> Limits | None:
    """The same, for the practice's worker."""
    row = await connection.fetchrow(_LIMITS_KNOWN, practice_id, bucket)
    return None if row is None else Limits(row["file_size_limit"], row["allowed_mime_types"])


async def find(connection: Connection, bucket: str, name: str) -> Stored | None:
    """None if it is not there, or not theirs to see."""
    row = await connection.fetchrow(_FIND, bucket, name)
    return None if row is None else _stored(row)


async def find_by_id(connection: Connection, file_id: UUID) -> Stored | None:
    """The same, whatever it is called by now."""
    row = await connection.fetchrow(_FIND_ID, file_id)
    return None if row is None else _stored(row)


async def find_by_version(connection: Connection, version: str) -> Stored | None:
    """The same, if that is its version."""
    row = await connection.fetchrow(_FIND_VERSION, version)
    return None if row is None else _stored(row)


async def find_many(connection: Connection, bucket: str, names: Sequence[str]) -> list[Stored]:
    return [_stored(row) for row in await connection.fetch(_FIND_MANY, bucket, list(names))]


async def put(connection: Connection, new: NewFile, *, upsert: bool) -> Put:
    """Add a file's row, or let it replace one of the same name, whose label it takes over."""
    row = await connection.fetchrow(
        _PUT if upsert else _ADD,
        new.practice_id,
        new.bucket,
        new.name,
        new.owner_id,
        new.version,
        new.metadata,
        new.user_metadata,
        new.label,
    )
    assert row is not None
    return Put(**dict(row))


async def rename(
    connection: Connection, source: tuple[str, str], version: str, target: tuple[str, str]
) -> UUID | None:
    """From one (bucket, name) to another; None if it was not theirs to move, or is not that version
    any more."""
    found: UUID | None = await connection.fetchval(_RENAME, *source, version, *target)
    return found


async def set_label(connection: Connection, file_id: UUID, label: str | None) -> bool:
    """Put it on or take it off; False if that was not theirs to do."""
    return bool(await connection.fetchval(_LABEL, file_id, label))


async def remove(connection: Connection, bucket: str, names: Sequence[str]) -> Removed:
    """Those that were theirs to delete."""
    rows = [dict(row) for row in await connection.fetch(_REMOVE, bucket, list(names))]
    kept = [row.pop("keeps_removed") for row in rows]
    return Removed([_stored(row) for row in rows], all(kept))


def _stored(row: Any) -> Stored:
    return Stored(**dict(row))
