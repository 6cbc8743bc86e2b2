"""Makes a removed version the current one again, as whoever may replace the file."""

from __future__ import annotations

from uuid import UUID

from mentalspace.engine.secrets import SealBroken
from mentalspace.integrations.storage.desk import Desk
from mentalspace.integrations.storage.disk.thread import in_thread
from mentalspace.integrations.storage.lock import keys
from mentalspace.integrations.storage.purge import purge_now
from mentalspace.integrations.storage.refusal import (
    NO_OBJECT,
    NOT_ALLOWED,
    NOT_STORED,
    SEALED,
    Refused,
)
from mentalspace.integrations.storage.shipping import forget_sealed
from mentalspace.integrations.storage.store import archive, holds, objects
from mentalspace.integrations.storage.store.acting import (
    Deed,
    acting,
    write_down,
    write_refusal_down,
)
from mentalspace.integrations.storage.store.objects import NewFile, Stored

_GONE = "The version is there no more"


async def restore(desk: Desk, deed: Deed, version: str) -> tuple[UUID, str, str]:
    """The file's id, bucket and name. It goes where its file is now, or else where it lay; what is
    there is archived like whatever is replaced. Raises Refused: a sealed one stays where it is."""
    removed = await find_version(desk, deed, version)
    if removed.scanned == "infected":
        raise Refused(SEALED)
    await _require_bytes(desk, deed, removed)
    async with acting(desk.database, deed) as connection:
        there = await objects.find_by_id(connection, removed.id)
    bucket, name = (removed.bucket_id, removed.name) if there is None else (
        there.bucket_id, there.name)  # fmt: skip
    try:
        file_id, replaced = await _restore(desk, deed, removed, bucket, name)
    except Refused as error:
        if error.refusal is NOT_ALLOWED:
            await write_refusal_down(desk.database, deed, "insert", bucket, name)
        raise
    if replaced is not None:
        await purge_now(desk, deed.practice_id, [replaced])
    return file_id, bucket, name


async def find_version(desk: Desk, deed: Deed, version: str) -> Stored:
    """A removed version, or Refused: then the audit has the policy, if one stood in the way."""
    async with acting(desk.database, deed) as connection:
        found = await archive.find_removed(connection, version)
    if found is None:
        await tell_refused(desk, deed, version)
        raise Refused(NO_OBJECT)
    return found


async def tell_refused(desk: Desk, deed: Deed, version: str) -> None:
    """Into the audit, by which policy they may not see it; nothing if there is no such version."""
    async with desk.database.as_worker(deed.practice_id) as connection:
        policy = await archive.refused_by(connection, deed.person.claims(), version)
    if policy is not None:
        await write_refusal_down(desk.database, deed, "select", "", "", policy=policy)


async def _restore(
    desk: Desk, deed: Deed, removed: Stored, bucket: str, name: str
) -> tuple[UUID, str | None]:
    """The file's id, and the version that was there and that its bucket does not keep."""
    practice_id, version = deed.practice_id, removed.version
    owner_id = removed.owner or deed.person.user_id
    again = NewFile(
        practice_id,
        bucket,
        name,
        owner_id,
        version,
        removed.metadata,
        removed.user_metadata,
        removed.label,
    )
    async with acting(desk.database, deed) as connection:
        await holds.wait(connection)
        file_id, replaced = await archive.restore(connection, removed.id, again)
        keeps = await objects.keeps_removed(connection, bucket)
        await desk.database.go_on_as_worker(connection, practice_id)
        try:
            key = await keys.key_of_removed(connection, desk.vault, practice_id, version)
        except (keys.NoKey, SealBroken) as error:
            raise Refused(NO_OBJECT, _GONE) from error
        if not await archive.take_out(connection, version, file_id):
            raise Refused(NO_OBJECT, _GONE)
        await keys.lock(connection, desk.vault, practice_id, file_id, version, name, key)
        if replaced is not None:
            await forget_sealed(connection, replaced, reason="removed")
        await write_down(
            desk.database, connection, deed, "document_restored", subject=file_id, bucket=bucket,
            version=version,
        )  # fmt: skip
    return file_id, None if keeps else replaced


async def _require_bytes(desk: Desk, deed: Deed, removed: Stored) -> None:
    """Nobody replaces a file by one whose bytes are lost. Raises Refused."""
    try:
        await in_thread(lambda: desk.shelf.size(deed.practice_id, removed.version))
    except OSError as error:
        raise Refused(NOT_STORED) from error
