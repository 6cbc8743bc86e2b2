"""Destroys a client's key, and with it every document of theirs that there is anywhere.

Once the transaction is over no copy of the disk and no backup of it opens, whatever happens to the
bytes here: they are deleted after it, and what cannot be is the sweeper's.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg

from mentalspace.engine.log import get_logger
from mentalspace.integrations.storage.desk import Desk
from mentalspace.integrations.storage.disk.thread import in_thread
from mentalspace.integrations.storage.purge import let_go
from mentalspace.integrations.storage.refusal import HELD, NO_CLIENT, NOT_ALLOWED, Refused
from mentalspace.integrations.storage.shipping import withdraw
from mentalspace.integrations.storage.store import holds
from mentalspace.integrations.storage.store.acting import (
    Deed,
    acting,
    write_down,
    write_refusal_down,
)

# What says no: in place of a policy.
_SHREDDING, _HOLDING = "storage.shred", "storage.hold"
_SHRED = "select shredding, file_count, gone, begun from storage.shred($1, $2)"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Shredded:
    """How much is gone. `versions` counts the files' own too, `uploads` what was not whole."""

    id: UUID
    files: int
    versions: int
    uploads: int


async def shred(desk: Desk, deed: Deed, client_id: UUID, reason: str) -> Shredded:
    """As an administrator. Twice is no mistake: there is nothing left. Raises Refused."""
    try:
        done, versions, uploads = await _destroy(desk, deed, client_id, reason)
    except Refused as error:
        policy = {NOT_ALLOWED: _SHREDDING, HELD: _HOLDING}.get(error.refusal)
        if policy is not None:
            await write_refusal_down(desk.database, deed, "delete", "", "", policy=policy)
        raise
    await let_go(desk, deed.practice_id, versions)
    await in_thread(lambda: _delete([desk.partials.place(one) for one in uploads]))
    log.warning("client_shredded", practice_id=deed.practice_id, count=done.versions)
    return done


async def _destroy(
    desk: Desk, deed: Deed, client_id: UUID, reason: str
) -> tuple[Shredded, list[str], list[UUID]]:
    practice_id = deed.practice_id
    async with acting(desk.database, deed) as connection:
        if not await holds.is_client(connection, client_id):
            raise Refused(NO_CLIENT)
        try:
            row = await connection.fetchrow(_SHRED, client_id, reason)
        except asyncpg.ObjectInUseError as error:
            raise Refused(HELD) from error
        assert row is not None
        versions, uploads = row["gone"], row["begun"]
        done = Shredded(row["shredding"], row["file_count"], len(versions), len(uploads))
        await desk.database.go_on_as_worker(connection, practice_id)
        for version in versions:
            await withdraw(connection, desk.vault, practice_id, version, now=desk.clock.now())
        await write_down(
            desk.database, connection, deed, "client_shredded", subject=client_id,
            shredding=str(done.id), files=str(done.files), versions=str(done.versions),
            uploads=str(done.uploads),
        )  # fmt: skip
    return done, versions, uploads


def _delete(places: list[Path]) -> None:
    for place in places:
        with suppress(OSError):
            place.unlink(missing_ok=True)
