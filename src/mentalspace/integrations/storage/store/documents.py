"""What lies in a client's folders, as one person may see it, with how its copy fares."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from mentalspace.engine.db import Connection

MOST = 500

_FILED = """
select f.id, f.bucket_id as bucket, f.name as key, (f.metadata ->> 'size')::bigint as size_bytes,
       f.metadata ->> 'mimetype' as media_type, f.user_metadata ->> 'display_name' as display_name,
       f.user_metadata ->> 'side' as side, f.owner as added_by, f.updated_at as added_at,
       d.status as copy_status, f.label,
       coalesce(s.state, 'waiting') as scanned
  from storage.file f left join storage.scan s using (practice_id, version)
  left join lateral (
    select c.status from delivery c
     where c.subject_id = f.version::uuid and c.integration = 'storage' and c.kind = 'document'
     order by c.created_at desc, length(c.idempotency_key) desc, c.idempotency_key desc limit 1
  ) d on true
 where f.bucket_id = any ($1) and f.archived_at is null and not f.is_delete_marker
   and storage.client_of(f.name) = $2 and starts_with(f.name, $2::text || '/')
"""
_LIST = f"{_FILED} order by f.updated_at desc, f.id limit {MOST}"
_ONE = f"{_FILED} and f.id = $3"
_TRY = """
insert into storage.file (practice_id, bucket_id, name, owner, owner_id, version)
values (app.practice(), $1, $2, app.user_id(), app.user_id()::text, $3)
"""


@dataclass(frozen=True, slots=True)
class Filed:
    """A client's document. `display_name` is what people call it, where somebody gave it a name;
    `copy_status` is its latest delivery's, None where documents live here alone; `scanned` says
    whether it was looked at: only `clean` and `released` are shown to anybody."""

    id: UUID
    bucket: str
    key: str
    size_bytes: int
    media_type: str
    display_name: str | None
    side: str | None
    added_by: UUID | None
    added_at: datetime
    copy_status: str | None
    label: str | None
    scanned: str

    @property
    def called(self) -> str:
        return self.display_name or self.key.rpartition("/")[2]


async def documents_of(
    connection: Connection, client_id: UUID, buckets: Sequence[str]
) -> list[Filed]:
    """The newest first, at most MOST."""
    return [_filed(row) for row in await connection.fetch(_LIST, list(buckets), client_id)]


async def find_document(
    connection: Connection, client_id: UUID, buckets: Sequence[str], document_id: UUID
) -> Filed | None:
    """None if it is not there, not this client's, or not theirs to see."""
    row = await connection.fetchrow(_ONE, list(buckets), client_id, document_id)
    return None if row is None else _filed(row)


class _Undo(Exception):
    """Rolls a trial back."""


async def may_add(connection: Connection, bucket: str, client_id: UUID) -> bool:
    """Whether this person may put a file there: a row is written and rolled back, so that the
    answer is the policies' own."""
    may = False
    with suppress(_Undo, asyncpg.InsufficientPrivilegeError):
        async with connection.transaction():
            await connection.execute(_TRY, bucket, f"{client_id}/{uuid4()}", str(uuid4()))
            may = True
            raise _Undo
    return may


def _filed(row: Any) -> Filed:
    return Filed(**dict(row))
