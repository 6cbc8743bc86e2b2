"""Destroys removed versions whose time is over: rows and keys first, copies elsewhere, bytes last.

Whatever a crash leaves behind is bytes that no row names, which the sweeper finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from mentalspace.engine.log import get_logger
from mentalspace.integrations.storage.desk import Desk
from mentalspace.integrations.storage.disk.thread import in_thread
from mentalspace.integrations.storage.shipping import withdraw
from mentalspace.integrations.storage.store import archive
from mentalspace.practice.audit import note

_AT_A_TIME = 50

log = get_logger(__name__)


async def purge_due(desk: Desk) -> int:
    """Every version whose time is over, of every practice; how many. May run on several hosts at
    once."""
    async with desk.database.as_dispatcher() as connection:
        practices = await archive.with_due(connection)
    purged = 0
    for practice_id in practices:
        while gone := await _purge(desk, practice_id, None):
            purged += gone
    if purged:
        log.info("versions_purged", count=purged)
    return purged


async def purge_now(desk: Desk, practice_id: UUID, versions: Sequence[str]) -> None:
    """Those of the versions whose bucket keeps none. What cannot be done now, the worker does."""
    await _purge(desk, practice_id, versions)


async def let_go(desk: Desk, practice_id: UUID, versions: Sequence[str]) -> None:
    """Delete bytes that no row names any more. What cannot be deleted now, the sweeper finds."""

    def delete() -> None:
        for version in versions:
            with suppress(OSError):
                desk.shelf.delete(practice_id, version)

    await in_thread(delete)


async def _purge(desk: Desk, practice_id: UUID, those: Sequence[str] | None) -> int:
    most = _AT_A_TIME if those is None else len(those)
    async with desk.database.as_worker(practice_id) as connection:
        gone = await archive.purge(connection, most, those)
        for one in gone:
            await withdraw(connection, desk.vault, practice_id, one.version, now=desk.clock.now())
            await note(
                connection, "system", "document_purged", practice_id=practice_id,
                subject=one.file_id, bucket=one.bucket_id, version=one.version,
            )  # fmt: skip
    await let_go(desk, practice_id, [one.version for one in gone])
    return len(gone)
