"""Keeps a file: asked whether it may be, landed, published, named by a row, written down.

The bytes are on the disk before a row names them. Whatever a crash leaves behind is therefore bytes
that nobody can reach, which the sweeper finds. What is replaced goes over into the archive.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from mentalspace.engine.db import Connection
from mentalspace.engine.log import get_logger
from mentalspace.engine.secrets import SealBroken
from mentalspace.integrations.storage.check import Landed, look_at_once, settle
from mentalspace.integrations.storage.desk import Desk
from mentalspace.integrations.storage.disk.landing import Landing
from mentalspace.integrations.storage.disk.reading import Content
from mentalspace.integrations.storage.disk.thread import in_thread
from mentalspace.integrations.storage.intake import require_type
from mentalspace.integrations.storage.lock import keys
from mentalspace.integrations.storage.model import client_of
from mentalspace.integrations.storage.purge import let_go, purge_now
from mentalspace.integrations.storage.refusal import (
    HARMFUL,
    NO_BUCKET,
    NO_OBJECT,
    NOT_ALLOWED,
    NOT_STORED,
    TOO_LARGE,
    Refused,
)
from mentalspace.integrations.storage.scan.verdict import Verdict
from mentalspace.integrations.storage.shipping import forget_sealed
from mentalspace.integrations.storage.store import holds, objects
from mentalspace.integrations.storage.store.acting import (
    Deed,
    acting,
    write_down,
    write_refusal_down,
)
from mentalspace.integrations.storage.store.objects import Limits, NewFile, Put, Stored
from mentalspace.integrations.storage.store.transfers import Transfer, count

# Of a name that lost the rest.
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,5}$")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a file is to be, and whether it may take the place of one that is there."""

    bucket: str
    name: str
    upsert: bool

    @property
    def key(self) -> str:
        return f"{self.bucket}/{self.name}"

    def sealed(self, version: str) -> Target:
        """Where a harmful one lies instead: in the same folder, in nobody's place."""
        folder = self.name.rpartition("/")[0]
        ending = _ENDING.search(self.name)
        name = f"sealed-{version}{ending[0] if ending else ''}"
        return Target(self.bucket, f"{folder}/{name}" if folder else name, False)


@dataclass(frozen=True, slots=True)
class Said:
    """What a person said of a file: in the metadata, which is anything, and by its label."""

    metadata: Mapping[str, Any] | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What the sender said of a file besides its bytes."""

    media_type: str
    cache_control: str
    said: Said


# What else belongs to the transaction that names the bytes, as the same person.
Also: TypeAlias = Callable[[Connection, UUID], Awaitable[None]]


class _Undo(Exception):
    """Rolls a rehearsal back."""


async def may_keep(desk: Desk, deed: Deed, target: Target) -> Limits:
    """What the bucket takes, once it is sure that the row could be written: it is, and is rolled
    back. Nobody sends fifty megabytes to hear that they may not. Raises Refused."""
    limits: Limits | None = None
    rehearsed = _new(deed, target, str(uuid4()), {}, Said())
    try:
        async with acting(desk.database, deed) as connection:
            limits = await objects.limits_of(connection, target.bucket)
            if limits is None:
                raise Refused(NO_BUCKET)
            await objects.put(connection, rehearsed, upsert=target.upsert)
            raise _Undo
    except _Undo:
        assert limits is not None
        return limits
    except Refused as error:
        await _explain(desk, deed, target, error)
        raise


async def keep(
    desk: Desk,
    deed: Deed,
    target: Target,
    landing: Landing,
    told: Told,
    also: Also | None = None,
) -> UUID:
    """The new row's id. The landing is whole, and looked at, and is counted with its row. Raises
    Refused, also where `also` does: then nothing was kept."""
    try:
        await landing.publish()
    except OSError as error:
        log.error("document_not_kept", error=type(error).__name__)
        raise Refused(NOT_STORED) from error
    metadata = _metadata(landing.size, landing.sha256, told.media_type, told.cache_control)
    new = _new(deed, target, landing.version, metadata, told.said)
    carried = Transfer("up", target.bucket, landing.size, landing.age_s)
    return await _name(
        desk, deed, target, new, landing.key, "document_stored", carried, also, landing.verdict
    )


async def copy(
    desk: Desk,
    deed: Deed,
    source: tuple[str, str],
    target: Target,
    user_metadata: Mapping[str, Any] | None,
) -> tuple[UUID, Stored]:
    """The copy's id and what it is a copy of. The bytes get a second name, and a label goes along.
    Raises Refused."""
    found, key = await _look_for(desk, deed, source)
    limits = await may_keep(desk, deed, target)
    require_fitting(found, limits)
    version = str(uuid4())
    try:
        await in_thread(lambda: desk.shelf.link(deed.practice_id, found.version, version))
    except OSError as error:
        log.error("document_not_kept", error=type(error).__name__)
        raise Refused(NOT_STORED) from error
    metadata = {**found.metadata, "lastModified": _instant()}
    said = found.user_metadata if user_metadata is None else user_metadata
    new = _new(deed, target, version, metadata, Said(said, found.label))
    return await _name(desk, deed, target, new, key, "document_copied"), found


async def move(desk: Desk, deed: Deed, source: tuple[str, str], target: Target) -> UUID:
    """The bytes stay where they are; the row has another name. Raises Refused."""
    found, key = await _look_for(desk, deed, source)
    try:
        async with acting(desk.database, deed) as connection:
            limits = await objects.limits_of(connection, target.bucket)
            if limits is None:
                raise Refused(NO_BUCKET)
            require_fitting(found, limits)
            place = (target.bucket, target.name)
            if client_of(target.name) != client_of(source[1]):
                await holds.wait(connection)
            moved = await objects.rename(connection, source, found.version, place)
            if moved is None:
                await _require_unchanged(connection, source, found)
                raise Refused(NOT_ALLOWED)
            await write_down(
                desk.database, connection, deed, "document_moved", subject=moved,
                bucket=target.bucket, before=source[0],
            )  # fmt: skip
            await keys.lock(
                connection, desk.vault, deed.practice_id, moved, found.version, target.name, key
            )
            return moved
    except Refused as error:
        if error.refusal is NOT_ALLOWED:
            await write_refusal_down(desk.database, deed, "update", *source)
            await write_refusal_down(desk.database, deed, "insert", target.bucket, target.name)
        raise


def require_fitting(found: Stored, limits: Limits) -> None:
    """A file that goes to another bucket must be of its size and type. Raises Refused."""
    require_type(found.media_type, limits)
    if limits.size is not None and found.size > limits.size:
        raise Refused(TOO_LARGE)


async def _name(
    desk: Desk,
    deed: Deed,
    target: Target,
    new: NewFile,
    key: bytes | None,
    action: str,
    carried: Transfer | None = None,
    also: Also | None = None,
    verdict: Verdict | None = None,
) -> UUID:
    """Look at bytes that are on the disk, unless that was done as they came, and write their row;
    if it cannot be, they go again.

    What is found harmful at once replaces nothing, and is kept sealed beside it.
    """
    content = Content(new.practice_id, new.version, new.metadata["size"], key)
    if verdict is None:
        verdict = await look_at_once(desk, content, new.metadata["eTag"].strip('"'))
    is_harmful = verdict is not None and not verdict.is_clean
    if is_harmful:
        target, carried = target.sealed(new.version), None
        new = replace(new, name=target.name)
    try:
        kept = await _write_row(desk, deed, target, new, key, action, carried, also, verdict)
    except BaseException as error:
        if _is_sure(error):
            await let_go(desk, new.practice_id, [new.version])
        if isinstance(error, Refused):
            await _explain(desk, deed, target, error)
        raise
    if kept.replaced is not None and not kept.keeps_removed:
        await purge_now(desk, new.practice_id, [kept.replaced])
    if is_harmful:
        raise Refused(HARMFUL)
    return kept.id


def _is_sure(error: BaseException) -> bool:
    """Whether the row surely is not there. A connection that broke at the commit leaves that open,
    and then the bytes stay for the sweeper to judge."""
    return isinstance(error, Refused)


async def _write_row(
    desk: Desk,
    deed: Deed,
    target: Target,
    new: NewFile,
    key: bytes | None,
    action: str,
    carried: Transfer | None,
    also: Also | None,
    verdict: Verdict | None,
) -> Put:
    async with acting(desk.database, deed) as connection:
        kept = await objects.put(connection, new, upsert=target.upsert)
        if also is not None:
            await also(connection, kept.id)
        if kept.replaced is not None:
            action = "document_replaced"
        await write_down(
            desk.database, connection, deed, action, subject=kept.id, bucket=target.bucket
        )
        if carried is not None:
            await count(connection, new.practice_id, carried)
        await keys.lock(
            connection, desk.vault, new.practice_id, kept.id, new.version, new.name, key
        )
        if verdict is not None:
            await settle(desk, connection, _landed(new, kept.id), verdict)
        if kept.replaced is not None:
            await forget_sealed(connection, kept.replaced, reason="removed")
        return kept


async def _require_unchanged(connection: Connection, place: tuple[str, str], found: Stored) -> None:
    """Raises Refused for a file that was replaced or deleted since it was found."""
    now = await objects.find(connection, *place)
    if now is None or now.version != found.version:
        raise Refused(NO_OBJECT, "The file was replaced or deleted meanwhile; look at it again")


async def _look_for(desk: Desk, deed: Deed, source: tuple[str, str]) -> tuple[Stored, bytes | None]:
    """The file, and what opens it. Raises Refused."""
    async with acting(desk.database, deed) as connection:
        found = await objects.find(connection, *source)
        if found is not None:
            await desk.database.go_on_as_worker(connection, deed.practice_id)
            return found, await opening(desk, connection, deed.practice_id, found)
    await write_refusal_down(desk.database, deed, "select", *source)
    raise Refused(NO_OBJECT)


async def opening(
    desk: Desk, connection: Connection, practice_id: UUID, found: Stored
) -> bytes | None:
    """What opens a file that was found; None for one that was never locked. Runs as the worker.
    Raises Refused."""
    try:
        return await keys.key_of(connection, desk.vault, practice_id, found.version)
    except (keys.NoKey, SealBroken) as error:
        log.error("stored_file_without_key", practice_id=practice_id)
        raise Refused(NOT_STORED) from error


async def _explain(desk: Desk, deed: Deed, target: Target, error: Refused) -> None:
    if error.refusal is NOT_ALLOWED:
        await write_refusal_down(desk.database, deed, "insert", target.bucket, target.name)


def _landed(new: NewFile, file_id: UUID) -> Landed:
    return Landed(
        new.practice_id, new.version, file_id, new.bucket, client_of(new.name), new.metadata
    )


def _new(
    deed: Deed,
    target: Target,
    version: str,
    metadata: Mapping[str, Any],
    said: Said,
) -> NewFile:
    return NewFile(
        deed.practice_id,
        target.bucket,
        target.name,
        deed.person.user_id,
        version,
        metadata,
        said.metadata,
        said.label,
    )


def _metadata(size: int, sha256: str, media: str, cache_control: str) -> dict[str, Any]:
    """In Supabase's words."""
    return {
        "eTag": f'"{sha256}"',
        "size": size,
        "mimetype": media,
        "cacheControl": cache_control,
        "lastModified": _instant(),
        "contentLength": size,
        "httpStatusCode": 200,
    }


def _instant() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
