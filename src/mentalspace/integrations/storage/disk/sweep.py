"""Finds what a crash left behind: bytes that no row names, and rows whose bytes are gone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from uuid import UUID

from mentalspace.engine.db import Database
from mentalspace.engine.log import get_logger
from mentalspace.integrations.storage.disk.shelf import Shelf
from mentalspace.integrations.storage.disk.thread import in_thread

# How long bytes may be there before their row is. An upload that takes longer between its last
# byte and its row is not known.
GRACE_S = 3600.0
_AT_ONCE = 1000

_NAMED = "select version from storage.file where practice_id = $1 and version = any ($2)"
_ROWS = """
select id, practice_id, version from storage.file
 where id > $1 and created_at < app.now() - $3 * interval '1 s' order by id limit $2
"""
_STILL = "select true from storage.file where practice_id = $1 and version = $2"

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


async def sweep(database: Database, shelf: Shelf, *, grace_s: float = GRACE_S) -> Swept:
    """Delete what nobody can reach any more, and tell of what is lost. May run on several hosts at
    once. A lost file's row is left: it says what was there, and a backup may bring it back."""
    swept = Swept()
    before = time.time() - grace_s
    swept.landings = await in_thread(lambda: _clear_landings(shelf, before))
    for practice_id in await in_thread(shelf.practices):
        swept.unnamed_of[practice_id] = await _clear_unnamed(database, shelf, practice_id, before)
    swept.lost_of = await _count_lost(database, shelf, grace_s)
    if swept.landings or swept.unnamed:
        log.info("files_swept", count=swept.landings + swept.unnamed)
    return swept


def _clear_landings(shelf: Shelf, before: float) -> int:
    cleared = 0
    for path in shelf.landings():
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                path.unlink()
                cleared += 1
    return cleared


async def _clear_unnamed(database: Database, shelf: Shelf, practice_id: UUID, before: float) -> int:
    cleared = 0
    old = _older(shelf, practice_id, before)
    while names := await in_thread(lambda: list(islice(old, _AT_ONCE))):
        async with database.as_dispatcher() as connection:
            rows = await connection.fetch(_NAMED, practice_id, names)
        unnamed = set(names) - {row["version"] for row in rows}
        await in_thread(partial(_delete_all, shelf, practice_id, unnamed))
        cleared += len(unnamed)
    return cleared


def _older(shelf: Shelf, practice_id: UUID, before: float) -> Iterator[str]:
    """By when the name was made: a copy's bytes are as old as what they are a copy of."""
    for entry in shelf.versions(practice_id):
        with suppress(FileNotFoundError):
            if entry.stat().st_ctime < before:
                yield entry.name


def _delete_all(shelf: Shelf, practice_id: UUID, versions: set[str]) -> None:
    for version in versions:
        shelf.delete(practice_id, version)


def _missing(shelf: Shelf, places: set[tuple[UUID, str]]) -> list[tuple[UUID, str]]:
    return [place for place in places if not shelf.place(*place).is_file()]


async def _count_lost(database: Database, shelf: Shelf, grace_s: float) -> Counter[UUID]:
    lost, last = Counter[UUID](), UUID(int=0)
    while True:
        async with database.as_dispatcher() as connection:
            rows = await connection.fetch(_ROWS, last, _AT_ONCE, grace_s)
        if not rows:
            return lost
        last = rows[-1]["id"]
        places = {(row["practice_id"], row["version"]) for row in rows}
        for practice_id, version in await in_thread(partial(_missing, shelf, places)):
            async with database.as_dispatcher() as connection:
                if await connection.fetchval(_STILL, practice_id, version):
                    log.error("stored_file_lost", practice_id=practice_id)
                    lost[practice_id] += 1
