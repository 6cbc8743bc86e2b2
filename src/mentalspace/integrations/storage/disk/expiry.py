"""Clears away uploads that nobody went on with in time, and what crashes left of others."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from uuid import UUID

from mentalspace.engine.db import Database
from mentalspace.engine.log import get_logger
from mentalspace.integrations.storage.disk.partials import Partials
from mentalspace.integrations.storage.disk.thread import in_thread
from mentalspace.integrations.storage.ours import ours
from mentalspace.integrations.storage.shelf import AT_ONCE, GRACE_S
from mentalspace.integrations.storage.store import uploads

log = get_logger(__name__)


async def clear_uploads(database: Database, partials: Partials, *, grace_s: float = GRACE_S) -> int:
    """How many files went: of uploads that expired, were whole, or never had a row. May run on
    several hosts at once, and beside an upload: one that is published just then is refused."""
    async with database.as_dispatcher() as connection:
        expired = await uploads.remove_expired(connection)
    cleared = await in_thread(lambda: _delete(map(partials.place, expired)))
    before = time.time() - grace_s
    places = ours(partials.all(), lambda path: path.name)
    while some := await in_thread(lambda: list(islice(places, AT_ONCE))):
        old = await in_thread(partial(_older, some, before))
        async with database.as_dispatcher() as connection:
            still_open = await uploads.still_open(connection, list(old))
        gone = [path for upload_id, path in old.items() if upload_id not in still_open]
        cleared += await in_thread(partial(_delete, gone))
    if expired or cleared:
        log.info("uploads_expired", count=max(len(expired), cleared))
    return cleared


def _older(paths: Iterable[Path], before: float) -> dict[UUID, Path]:
    old = {}
    for path in paths:
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                old[UUID(path.name)] = path
    return old


def _delete(paths: Iterable[Path]) -> int:
    deleted = 0
    for path in paths:
        with suppress(FileNotFoundError):
            path.unlink()
            deleted += 1
    return deleted
