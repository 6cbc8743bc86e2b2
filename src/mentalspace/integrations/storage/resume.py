"""An upload that may be broken off and gone on with: begun, added to, looked at, ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from mentalspace.engine.log import get_logger
from mentalspace.integrations.storage.desk import Desk
from mentalspace.integrations.storage.disk.thread import in_thread
from mentalspace.integrations.storage.intake import declared, require_size
from mentalspace.integrations.storage.keep import Said, Target, may_keep
from mentalspace.integrations.storage.lock import keys
from mentalspace.integrations.storage.lock.frames import new_key
from mentalspace.integrations.storage.refusal import (
    NOT_STORED,
    UPLOAD_WHOLE,
    WRONG_OFFSET,
    Refused,
)
from mentalspace.integrations.storage.store import uploads
from mentalspace.integrations.storage.store.acting import Deed, acting
from mentalspace.integrations.storage.store.uploads import Upload
from mentalspace.integrations.storage.tus import Ref
from mentalspace.integrations.storage.unfinished import FINAL, opened

LASTS = timedelta(hours=24)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is said of an upload when it begins; `sent` is the same as the sender wrote it."""

    target: Target
    length_bytes: int | None
    content_type: str
    cache_control: str
    said: Said
    sent: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an upload has come, on the disk."""

    upload: Upload
    offset: int


@dataclass(frozen=True, slots=True)
class Addition:
    """Bytes from `offset` on; `announced` of them if that was told, `length_bytes` in all if it
    was not known before."""

    offset: int
    pieces: AsyncIterator[bytes]
    announced: int = 0
    length_bytes: int | None = None


async def begin(desk: Desk, deed: Deed, asked: Asked) -> Progress:
    """Asked first whether whoever begins it may have the file there. Raises Refused."""
    limits = await may_keep(desk, deed, asked.target)
    media_type = declared(asked.content_type, limits)
    require_size(asked.length_bytes or 0, limits)
    now = desk.clock.now()
    new = Upload(
        id=uuid4(),
        bucket_id=asked.target.bucket,
        name=asked.target.name,
        upsert=asked.target.upsert,
        length_bytes=asked.length_bytes,
        media_type=media_type,
        cache_control=asked.cache_control,
        user_metadata=asked.said.metadata,
        label=asked.said.label,
        told=asked.sent,
        created_at=now,
        expires_at=now + LASTS,
    )
    try:
        await in_thread(lambda: desk.partials.begin(new.id))
    except OSError as error:
        log.error("document_not_kept", error=type(error).__name__)
        raise Refused(NOT_STORED) from error
    try:
        async with acting(desk.database, deed) as connection:
            await uploads.add(connection, deed.practice_id, deed.person.user_id, new)
            await desk.database.go_on_as_worker(connection, deed.practice_id)
            await keys.lock_upload(
                connection, desk.vault, deed.practice_id, new.id, new.name, new_key()
            )
    except Refused:
        await in_thread(lambda: desk.partials.place(new.id).unlink(missing_ok=True))
        raise
    return Progress(new, 0)


async def add(desk: Desk, deed: Deed, ref: Ref, addition: Addition) -> Progress:
    """Whatever comes stays, also of a line that breaks; the last byte publishes the file. What can
    never become one ends the upload. Raises Refused."""
    async with opened(desk, deed, ref) as unfinished:
        if addition.offset != unfinished.offset:
            raise Refused(WRONG_OFFSET)
        await unfinished.set_length(addition.length_bytes)
        unfinished.require_room(addition.announced)
        await unfinished.receive(addition.pieces)
        return Progress(unfinished.upload, await unfinished.settle())


async def look(desk: Desk, deed: Deed, ref: Ref) -> Progress:
    """How far it has come. If all of it is there and a crash kept it from being published, it is
    published now. Raises Refused."""
    async with opened(desk, deed, ref) as unfinished:
        return Progress(unfinished.upload, await unfinished.settle())


async def end(desk: Desk, deed: Deed, ref: Ref) -> None:
    """It will never be whole. Raises Refused, also for one that is."""
    async with opened(desk, deed, ref) as unfinished:
        if unfinished.upload.is_whole:
            raise Refused(UPLOAD_WHOLE)
        await unfinished.end()


def ends(error: Exception) -> bool:
    """Whether the upload is over with it; after anything else it can be gone on with."""
    return isinstance(error, Refused) and error.refusal in FINAL
