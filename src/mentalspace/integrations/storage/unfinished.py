"""One request's turn at an upload that has begun: what comes, and what becomes of it.

The bytes wait outside every practice's folder, locked under a key of their own. Once they are all
there they go the way of any other upload: a landing, a rename, a row with its entries. The same
transaction says that the upload is whole, so that its file is there exactly when it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.log import get_logger
from mentalspace.engine.secrets import SealBroken
from mentalspace.integrations.storage.desk import Desk
from mentalspace.integrations.storage.disk.landing import Landing
from mentalspace.integrations.storage.disk.partial import Busy, Partial, Patience, Stalled, turn
from mentalspace.integrations.storage.intake import Intake, require_size
from mentalspace.integrations.storage.keep import Said, Target, Told, keep
from mentalspace.integrations.storage.lock import keys
from mentalspace.integrations.storage.lock.strips import StripBroken
from mentalspace.integrations.storage.refusal import (
    BAD_REQUEST,
    BEYOND_LENGTH,
    HARMFUL,
    NO_BUCKET,
    NO_UPLOAD,
    NOT_ALLOWED,
    NOT_STORED,
    OBJECT_EXISTS,
    TOO_LARGE,
    UPLOAD_GONE,
    UPLOAD_LOCKED,
    UPLOAD_STALLED,
    WRONG_TYPE,
    Refused,
)
from mentalspace.integrations.storage.sniff import ENOUGH
from mentalspace.integrations.storage.store import objects, uploads
from mentalspace.integrations.storage.store.acting import Deed, acting
from mentalspace.integrations.storage.store.objects import Limits
from mentalspace.integrations.storage.store.uploads import Upload
from mentalspace.integrations.storage.tus import Ref

# After which nothing that still comes would help: such an upload is over, and its bytes go. What is
# harmful is kept, sealed, under another name.
FINAL = frozenset((TOO_LARGE, WRONG_TYPE, NOT_ALLOWED, NO_BUCKET, OBJECT_EXISTS, HARMFUL))

log = get_logger(__name__)


class Unfinished:
    """Handed out by `opened`; `upload` is its row as it is by now. Every method raises Refused."""

    def __init__(
        self,
        desk: Desk,
        deed: Deed,
        upload: Upload,
        limits: Limits,
        partial: Partial | None,
        patience: Patience,
    ) -> None:
        self._desk = desk
        self._deed = deed
        self._limits = limits
        self._partial = partial
        self._patience = patience
        self.upload = upload

    @property
    def offset(self) -> int:
        """How far it has come, in this turn too."""
        if self.upload.is_whole:
            return self.upload.length_bytes or 0
        return self._open.size

    async def set_length(self, length_bytes: int | None) -> None:
        """How long it is in all, where that was left open."""
        if length_bytes is None or length_bytes == self.upload.length_bytes:
            return
        if self.upload.length_bytes is not None or length_bytes < self.offset:
            raise Refused(BAD_REQUEST, "Upload-Length: it is known already, or less than there is")
        require_size(length_bytes, self._limits)
        async with acting(self._desk.database, self._deed) as connection:
            await uploads.set_length(connection, self.upload.id, length_bytes)
        self.upload = replace(self.upload, length_bytes=length_bytes)

    def require_room(self, size: int) -> None:
        """For so many more bytes."""
        length = self.upload.length_bytes
        if length is None:
            require_size(self.offset + size, self._limits)
        elif self.offset + size > length:
            raise Refused(BEYOND_LENGTH)

    async def receive(self, pieces: AsyncIterator[bytes]) -> None:
        """Take in what comes, and look at it as it comes."""
        if self.upload.is_whole:
            return
        intake = Intake(self._open, self._limits)
        intake.declare(self.upload.media_type)
        try:
            intake.go_on_after(await self._open.head(ENOUGH))
            async for piece in self._patience.listen(pieces):
                self.require_room(len(piece))
                await intake.write(piece)
        except Stalled as error:
            raise Refused(UPLOAD_STALLED) from error

    async def settle(self) -> int:
        """How far it has come, once that is on the disk; published, if that is all of it."""
        if self.upload.is_whole:
            return self.offset
        size = await self._open.settle()
        if size == self.upload.length_bytes:
            await self._publish()
        return size

    async def end(self) -> None:
        """Forget it, and what came of it."""
        async with acting(self._desk.database, self._deed) as connection:
            await uploads.remove(connection, self.upload.id)
        await self._open.delete()

    @property
    def _open(self) -> Partial:
        if self._partial is None:
            raise Refused(UPLOAD_GONE)
        return self._partial

    async def _publish(self) -> None:
        upload = self.upload
        said = Said(upload.user_metadata, upload.label)
        told = Told(upload.media_type, upload.cache_control, said)
        target = Target(upload.bucket_id, upload.name, upload.upsert)

        async def finish(connection: Connection, object_id: UUID) -> None:
            await uploads.finish(connection, upload.id, object_id)

        spent_s = (self._desk.clock.now() - upload.created_at).total_seconds()
        async with Landing(
            self._desk.shelf,
            self._deed.practice_id,
            check=self._desk.scanner.as_it_lands(),
            spent_s=max(spent_s, 0.0),
        ) as landing:
            intake = Intake(landing, self._limits)
            intake.declare(upload.media_type)
            async for piece in self._open.pieces():
                await intake.write(piece)
            intake.finish()
            await keep(self._desk, self._deed, target, landing, told, finish)
        self.upload = replace(upload, is_whole=True)
        await self._open.delete()


@asynccontextmanager
async def opened(desk: Desk, deed: Deed, ref: Ref) -> AsyncIterator[Unfinished]:
    """An upload of theirs, for one request at a time; what is refused for good ends it. Raises
    Refused."""
    try:
        async with turn(desk.partials.place(ref.upload_id)) as (partial, patience):
            upload, limits, key = await _find(desk, deed, ref)
            unfinished = Unfinished(desk, deed, upload, limits, partial, patience)
            if partial is None and not upload.is_whole:
                log.error("stored_file_lost", practice_id=deed.practice_id)
                raise Refused(UPLOAD_GONE)
            try:
                if partial is not None and key is not None:
                    await partial.unlock(key)
                yield unfinished
            except StripBroken as error:
                log.error("upload_damaged", practice_id=deed.practice_id)
                assert partial is not None
                await partial.mend()
                raise Refused(NOT_STORED) from error
            except Refused as error:
                if error.refusal in FINAL and not unfinished.upload.is_whole:
                    await unfinished.end()
                raise
    except Busy as error:
        raise Refused(UPLOAD_LOCKED) from error


async def _find(desk: Desk, deed: Deed, ref: Ref) -> tuple[Upload, Limits, bytes | None]:
    """With what opens its bytes, of one that is not whole."""
    async with acting(desk.database, deed) as connection:
        upload = await uploads.find(connection, ref.upload_id, ref.bucket, ref.name)
        limits = await objects.limits_of(connection, ref.bucket)
        if upload is None or limits is None:
            raise Refused(NO_UPLOAD)
        if upload.expires_at <= desk.clock.now():
            raise Refused(UPLOAD_GONE)
        if upload.is_whole:
            return upload, limits, None
        await desk.database.go_on_as_worker(connection, deed.practice_id)
        return upload, limits, await _key_of(desk, connection, deed.practice_id, upload.id)


async def _key_of(desk: Desk, connection: Connection, practice_id: UUID, upload_id: UUID) -> bytes:
    try:
        return await keys.key_of_upload(connection, desk.vault, practice_id, upload_id)
    except (keys.NoKey, SealBroken) as error:
        log.error("stored_file_without_key", practice_id=practice_id)
        raise Refused(NOT_STORED) from error
