"""Gives a file out: whole, a stretch of it, or what is known of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.utils import format_datetime
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mentalspace.engine.log import get_logger
from mentalspace.integrations.storage.check import require_checked
from mentalspace.integrations.storage.disk.reading import (
    Content,
    FileDamaged,
    Stretch,
    open_file,
    read,
)
from mentalspace.integrations.storage.keep import opening
from mentalspace.integrations.storage.model import SHOWN
from mentalspace.integrations.storage.notice import headers_of
from mentalspace.integrations.storage.refusal import (
    NO_BUCKET,
    NO_OBJECT,
    NO_SUCH_RANGE,
    NOT_STORED,
    Refused,
)
from mentalspace.integrations.storage.routes.answer import notice_in, refusal, services_of
from mentalspace.integrations.storage.routes.ask import (
    deed_of,
    deed_of_link,
    desk_for,
    place_of,
)
from mentalspace.integrations.storage.routes.bundled import give_bundled, is_bundled
from mentalspace.integrations.storage.routes.carried import Given, counting_failure
from mentalspace.integrations.storage.routes.ranges import NoSuchRange, stretch
from mentalspace.integrations.storage.store import objects, readings
from mentalspace.integrations.storage.store.acting import (
    Deed,
    acting,
    write_down,
    write_refusal_down,
)
from mentalspace.integrations.storage.store.disclosures import write_disclosure_down
from mentalspace.integrations.storage.store.objects import Stored

log = get_logger(__name__)


async def download(request: Request) -> Response:
    """GET, or HEAD for the headers alone."""
    is_head = request.method == "HEAD"
    word = "object.info_authenticated" if is_head else "object.get_authenticated"
    return await _counted(request, await deed_of(request, word))


async def download_by_link(request: Request) -> Response:
    """GET under a link that somebody made who may read the file."""
    deed, _ = await deed_of_link(request, "download", "object.get_signed")
    return await _counted(request, deed)


async def download_public(_request: Request) -> Response:
    """No bucket of a practice is public, and the answer is the one that Supabase gives then."""
    raise Refused(NO_BUCKET)


async def info(request: Request) -> Response:
    deed = await deed_of(request, "object.info_authenticated")
    found, _ = await _found(request, deed, "document_looked_up", place_of(request))
    return JSONResponse(
        {
            "id": str(found.id),
            "name": found.name,
            "bucket_id": found.bucket_id,
            "version": found.version,
            "size": found.size,
            "content_type": found.media_type,
            "cache_control": found.metadata["cacheControl"],
            "etag": found.etag,
            "metadata": found.user_metadata or {},
            "last_modified": found.updated_at.isoformat(),
            "created_at": found.created_at.isoformat(),
            **notice_in(request, found.label),
        }
    )


async def _counted(request: Request, deed: Deed) -> Response:
    """What is given counts itself; what is refused is counted here."""
    if request.method == "HEAD":
        return await _give(request, deed)
    bucket = request.path_params["bucket"]
    async with counting_failure(desk_for(request).database, deed, "down", bucket):
        return await _give(request, deed)


async def _give(request: Request, deed: Deed) -> Response:
    return await give(request, deed, place_of(request))


async def give(request: Request, deed: Deed, place: tuple[str, str]) -> Response:
    """The file at (bucket, name) as the request's headers ask for it. Raises Refused."""
    found, key = await _found(request, deed, reading_word(request), place)
    return await give_found(request, deed, found, key)


def reading_word(request: Request) -> str:
    """What is written down of it."""
    return "document_looked_up" if request.method == "HEAD" else "document_read"


async def give_found(request: Request, deed: Deed, found: Stored, key: bytes | None) -> Response:
    """The same of a version that was found, and written down. Raises Refused."""
    is_head = request.method == "HEAD"
    headers = _headers(request, found)
    if is_bundled(request, found) and not is_head:
        file = await open_bytes(request, deed, found, key, 0, found.size)
        return give_bundled(request, deed, found, _pieces(file, found, deed), headers)
    if found.etag in request.headers.get("if-none-match", "").replace("W/", "").split(", "):
        return Response(status_code=304, headers=headers)
    try:
        part = stretch(_range(request, found), found.size)
    except NoSuchRange:
        answer = refusal(request, Refused(NO_SUCH_RANGE))
        answer.headers["content-range"] = f"bytes */{found.size}"
        return answer
    start, end = part or (0, found.size)
    headers["content-length"] = str(end - start)
    if part is not None:
        headers["content-range"] = f"bytes {start}-{end - 1}/{found.size}"
    status = 200 if part is None else 206
    if is_head:
        return Response(status_code=status, headers=headers, media_type=found.media_type)
    file = await open_bytes(request, deed, found, key, start, end)
    pieces = _pieces(file, found, deed)
    given = Given(pieces, status, headers, media_type=found.media_type)
    return given.count_for(desk_for(request).database, deed, found.bucket_id, end - start)


def give_once(request: Request, deed: Deed, found: Stored, file: Stretch) -> Response:
    """The whole file, opened already, of which nobody keeps a copy and no stretch is asked for."""
    headers = _headers(request, found)
    if is_bundled(request, found):
        return give_bundled(request, deed, found, _pieces(file, found, deed), headers)
    del headers["accept-ranges"], headers["etag"]
    headers |= {"cache-control": "no-store", "content-length": str(found.size)}
    given = Given(_pieces(file, found, deed), 200, headers, media_type=found.media_type)
    return given.count_for(desk_for(request).database, deed, found.bucket_id, found.size)


async def _found(
    request: Request, deed: Deed, action: str, place: tuple[str, str]
) -> tuple[Stored, bytes | None]:
    """The file's row and what opens it; that it was looked at is written down. Raises Refused."""
    desk, (bucket, name) = desk_for(request), place
    async with acting(desk.database, deed) as connection:
        found = await objects.find(connection, bucket, name)
        if found is not None:
            if action == "document_read":
                require_checked(found)
            await desk.database.go_on_as_worker(connection, deed.practice_id)
            if action != "document_read" or await readings.is_new(
                connection, deed, found.version, whole=is_whole(request, found)
            ):
                await write_down(
                    desk.database, connection, deed, action, subject=found.id, bucket=bucket
                )
                if action == "document_read":
                    await write_disclosure_down(desk.database, connection, deed, found)
            return found, await opening(desk, connection, deed.practice_id, found)
    await write_refusal_down(desk.database, deed, "select", bucket, name)
    raise Refused(NO_OBJECT)


def is_whole(request: Request, found: Stored) -> bool:
    """Whether all of it is asked for."""
    try:
        return stretch(_range(request, found), found.size) is None
    except NoSuchRange:
        return False


def _range(request: Request, found: Stored) -> str | None:
    """A range of what the client has the other half of; of anything newer it needs it all."""
    if request.headers.get("if-range", found.etag) != found.etag:
        return None
    return request.headers.get("range")


def _headers(request: Request, found: Stored) -> dict[str, str]:
    """Proxies that many share keep nothing of a client's. What a browser may not show, it saves."""
    asked = request.query_params.get("download")
    shown = found.media_type in SHOWN and asked is None
    return {
        "accept-ranges": "bytes",
        "cache-control": f"private, {found.metadata['cacheControl']}",
        "content-disposition": _disposition(shown, asked or found.called),
        "etag": found.etag,
        "last-modified": format_datetime(found.updated_at, usegmt=True),
        "x-content-type-options": "nosniff",
        **headers_of(found.label, services_of(request).settings.site_url),
    }


def _disposition(shown: bool, name: str) -> str:
    if shown:
        return "inline"
    return f"attachment; filename*=UTF-8''{quote(name[:200], safe='')}"


async def open_bytes(
    request: Request, deed: Deed, found: Stored, key: bytes | None, start: int, end: int
) -> Stretch:
    """Raises Refused. Between its row and its bytes a file may be replaced or deleted; only one
    whose row stands as it was is lost."""
    desk = desk_for(request)
    try:
        content = Content(deed.practice_id, found.version, found.size, key)
        return await open_file(desk.shelf, content, start, end)
    except OSError as error:
        async with acting(desk.database, deed) as connection:
            now = await objects.find(connection, found.bucket_id, found.name)
        if now is None:
            raise Refused(NO_OBJECT) from error
        if now.version == found.version:
            kind = type(error).__name__
            log.error("stored_file_lost", practice_id=deed.practice_id, error=kind)
        raise Refused(NOT_STORED) from error


async def _pieces(stretch: Stretch, found: Stored, deed: Deed) -> AsyncIterator[bytes]:
    """A damaged file is cut short, so that whoever waits for the rest knows that it is none."""
    is_whole = (stretch.start, stretch.end) == (0, found.size)
    try:
        async for piece in read(stretch, sha256=found.sha256 if is_whole else None):
            yield piece
    except FileDamaged:
        log.error("stored_file_damaged", practice_id=deed.practice_id)
        raise
