"""Finds what a crash left behind: bytes that no row names, and rows whose bytes are gone."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, islice
from uuid import UUID

from mentalspace.engine.db import Database
from mentalspace.engine.log import get_logger
from mentalspace.integrations.storage.disk.thread import in_thread
from mentalspace.integrations.storage.shelf import AT_ONCE, GRACE_S, Shelf

# Files' versions, and those that were removed and are kept.
_NAMED = """
select version from storage.file where practice_id = $1 and version = any ($2)
union all
select version from storage.archived where practice_id = $1 and version = any ($2)
"""
_ROWS = """
(select practice_id, version from storage.file
  where (practice_id, version) > ($1, $2) and created_at < app.now() - $4 * interval '1 s'
  order by practice_id, version limit $3)
union
(select practice_id, version from storage.archived
  where (practice_id, version) > ($1, $2) and created_at < app.now() - $4 * interval '1 s'
  order by practice_id, version limit $3)
order by practice_id, version limit $3
"""
_STILL = """
select true from storage.file where practice_id = $1 and version = $2
union all
select true from storage.archived where practice_id = $1 and version = $2
"""

log = get_logger(__name__)


@dataclass(slots=True)
class Swept:
    """Counts: uploads that never ended, and by practice bytes without a row and rows without
    bytes."""

    landings: int = 0
    unnamed_of: Counter[UUID] = field(default_factory=Counter)
    lost_of: Counter[UUID] = field(default_factory=Counter)

    @property
    def unnamed(self) -> int:
        return self.unnamed_of.total()

    @property
    def lost(self) -> int:
        return self.lost_of.total()


async def sweep(database: Database, shelf: Shelf, *, grace_s: float | None = None) -> Swept:
    """Delete what nobody can reach any more, and tell of what is lost. May run on several hosts at
    once. A lost file's row is left: it says what was there, and a backup may bring it back. Without
    a grace, the shelf's own."""
    swept = Swept()
    before = time.time() - (shelf.grace_s if grace_s is None else grace_s)
    swept.landings = await in_thread(lambda: shelf.clear_drafts(before))
    for practice_id in await in_thread(shelf.practices):
        swept.unnamed_of[practice_id] = await _clear_unnamed(database, shelf, practice_id, before)
    swept.lost_of = await _count_lost(database, shelf, GRACE_S if grace_s is None else grace_s)
    if swept.landings or swept.unnamed:
        log.info("files_swept", count=swept.landings + swept.unnamed)
    return swept


async def _clear_unnamed(database: Database, shelf: Shelf, practice_id: UUID, before: float) -> int:
    cleared = 0
    old = (one.version for one in shelf.versions(practice_id) if one.made_at < before)
    while names := await in_thread(lambda: list(islice(old, AT_ONCE))):
        async with database.as_dispatcher() as connection:
            rows = await connection.fetch(_NAMED, practice_id, names)
        unnamed = set(names) - {row["version"] for row in rows}
        await in_thread(partial(_delete_all, shelf, practice_id, unnamed))
        cleared += len(unnamed)
    return cleared


def _delete_all(shelf: Shelf, practice_id: UUID, versions: set[str]) -> None:
    for version in versions:
        shelf.delete(practice_id, version)


def _missing(shelf: Shelf, places: list[tuple[UUID, str]]) -> list[tuple[UUID, str]]:
    """The places are sorted."""
    return [
        (practice_id, version)
        for practice_id, of_it in groupby(places, key=lambda place: place[0])
        for version in shelf.missing(practice_id, [version for _, version in of_it])
    ]


async def _count_lost(database: Database, shelf: Shelf, grace_s: float) -> Counter[UUID]:
    lost, last = Counter[UUID](), (UUID(int=0), "")
    while True:
        async with database.as_dispatcher() as connection:
            rows = await connection.fetch(_ROWS, *last, AT_ONCE, grace_s)
        if not rows:
            return lost
        places = [(row["practice_id"], row["version"]) for row in rows]
        last = places[-1]
        for practice_id, version in await in_thread(partial(_missing, shelf, places)):
            async with database.as_dispatcher() as connection:
                if await connection.fetchval(_STILL, practice_id, version):
                    log.error("stored_file_lost", practice_id=practice_id)
                    lost[practice_id] += 1
