"""The rows that say whether a version was looked at, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.integrations.storage.scan.verdict import Verdict

Trouble: TypeAlias = Literal["scanner_away", "unreadable"]

# How long a file waits before it is somebody's business.
PATIENCE = timedelta(minutes=3)

_TAKE = "select * from storage.take_scans($1)"
_SETTLE = """
update storage.scan set state = $3, scanner = $4, finding = $5, settled_at = app.now(),
       trouble = null
 where practice_id = $1 and version = $2 and state = 'waiting' returning true
"""
_LATER = """
with before as (
  select trouble from storage.scan where practice_id = $1 and version = $2
)
update storage.scan s set trouble = $3, next_at = app.now() + $4 from before b
 where s.practice_id = $1 and s.version = $2 and s.state = 'waiting'
returning b.trouble is distinct from $3
"""
_OVERDUE = """
select count(*) from storage.scan s
 where s.state = 'waiting' and s.trouble = 'scanner_away' and s.landed_at < app.now() - $1::interval
   and exists (select from storage.file f
                where f.practice_id = s.practice_id and f.version = s.version)
"""
_RELEASE = "select storage.release($1, $2) is not null"


@dataclass(frozen=True, slots=True)
class Due:
    """A version to look at. `client_id` is whose it is; `metadata`, in Supabase's words."""

    practice_id: UUID
    version: str
    file_id: UUID
    bucket_id: str
    client_id: UUID | None
    metadata: Mapping[str, Any]
    tries: int


async def take(connection: Connection, most: int) -> list[Due]:
    """As the dispatcher. Nobody else gets them for two minutes."""
    return [Due(**dict(row)) for row in await connection.fetch(_TAKE, most)]


async def settle(connection: Connection, practice_id: UUID, version: str, verdict: Verdict) -> bool:
    """As the practice's worker; False if somebody was first."""
    state = "clean" if verdict.is_clean else "infected"
    settled = await connection.fetchval(
        _SETTLE, practice_id, version, state, verdict.scanner, verdict.finding
    )
    return bool(settled)


async def put_off(
    connection: Connection, practice_id: UUID, version: str, trouble: Trouble, wait: timedelta
) -> bool:
    """Whether it waits, and not for that already. As the practice's worker."""
    is_new = await connection.fetchval(_LATER, practice_id, version, trouble, wait)
    return bool(is_new)


async def count_overdue(connection: Connection) -> int:
    """How many wait for a scanner that is away, and have for too long. As the dispatcher."""
    waiting: int = await connection.fetchval(_OVERDUE, PATIENCE)
    return waiting


async def release(connection: Connection, file_id: UUID, version: str) -> bool:
    """Whether that version may be read from now on: it is sealed no more, or another is in its
    place. As whoever asks, who must be an administrator."""
    released: bool = await connection.fetchval(_RELEASE, file_id, version)
    return released
