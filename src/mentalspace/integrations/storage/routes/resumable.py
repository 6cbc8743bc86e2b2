"""Uploads in pieces: TUS 1.0.0 as Supabase speaks it, with true statuses and plain text."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from email.utils import format_datetime

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from mentalspace.integrations.storage import resume
from mentalspace.integrations.storage.keep import Said, Target
from mentalspace.integrations.storage.model import LARGEST_LIMIT
from mentalspace.integrations.storage.refusal import (
    NO_ROUTE,
    NOT_OFFSET_STREAM,
    NOT_THIS_TUS,
    Refused,
)
from mentalspace.integrations.storage.resume import Addition, Asked, Progress
from mentalspace.integrations.storage.routes.answer import Handler
from mentalspace.integrations.storage.routes.ask import (
    bucket_of,
    deed_of,
    deed_of_signature,
    desk_for,
    name_of,
    user_metadata,
)
from mentalspace.integrations.storage.routes.carried import counting_failure
from mentalspace.integrations.storage.routes.said import LABEL_HEADER, said_of
from mentalspace.integrations.storage.store.acting import Deed
from mentalspace.integrations.storage.tus import (
    EXTENSIONS,
    OFFSET_STREAM,
    VERSION,
    Ref,
    read_length,
    read_metadata,
    read_number,
    read_ref,
)

PLACE = "/upload/resumable"
_SIGNED = f"{PLACE}/sign"
_SECONDS = re.compile(r"[0-9]{1,9}")
_TUS = {"Tus-Resumable": VERSION}


async def options(_request: Request) -> Response:
    """What is spoken here; anybody may know."""
    headers = {
        **_TUS,
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(LARGEST_LIMIT),
    }
    return Response(status_code=204, headers=headers)


async def create(request: Request) -> Response:
    """POST: begin an upload, with its first bytes if they come along."""
    _require_version(request)
    metadata = read_metadata(request.headers.get("upload-metadata", ""))
    bucket = bucket_of(metadata.get("bucketName"))
    name = name_of(metadata.get("objectName"))
    deed, upsert = await _begins(request, bucket, name)
    announced = _announced(request)
    if announced:
        _require_offset_stream(request)
    seconds = metadata.get("cacheControl", "")
    asked = Asked(
        target=Target(bucket, name, upsert),
        length_bytes=read_length(request.headers),
        content_type=metadata.get("contentType", ""),
        cache_control=f"max-age={seconds}" if _SECONDS.fullmatch(seconds) else "no-cache",
        said=_said_in(request, metadata),
        sent=request.headers.get("upload-metadata", ""),
    )
    desk = desk_for(request)
    async with counting_failure(desk.database, deed, "up", bucket):
        begun = await resume.begin(desk, deed, asked)
    ref = Ref(bucket, name, begun.upload.id)
    with_bytes = announced is None or announced > 0
    if with_bytes or begun.upload.length_bytes == 0:
        addition = Addition(0, _body(request), announced or 0)
        begun = await _add(request, deed, ref, addition)
    base = request.url.path.rstrip("/")
    headers = {**_moment(begun), "Location": f"{base}/{ref}"}
    if with_bytes:
        headers["Upload-Offset"] = str(begun.offset)
    return Response(status_code=201, headers=headers)


async def add(request: Request) -> Response:
    """PATCH: the next bytes."""
    _require_version(request)
    ref, deed = await _goes_on(request, "tus.upload.part")
    _require_offset_stream(request)
    headers = request.headers
    addition = Addition(
        offset=read_number(headers, "upload-offset"),
        pieces=_body(request),
        announced=_announced(request) or 0,
        length_bytes=read_number(headers, "upload-length") if "upload-length" in headers else None,
    )
    progress = await _add(request, deed, ref, addition)
    return Response(
        status_code=204, headers={**_moment(progress), "Upload-Offset": str(progress.offset)}
    )


async def look(request: Request) -> Response:
    """HEAD: how far it has come."""
    _require_version(request)
    ref, deed = await _goes_on(request, "tus.upload.get")
    progress = await resume.look(desk_for(request), deed, ref)
    upload = progress.upload
    headers = {
        **_moment(progress),
        "Upload-Offset": str(progress.offset),
        "Upload-Metadata": upload.told,
        "Cache-Control": "no-store",
    }
    if upload.length_bytes is None:
        headers["Upload-Defer-Length"] = "1"
    else:
        headers["Upload-Length"] = str(upload.length_bytes)
    return Response(status_code=200, headers=headers)


async def end(request: Request) -> Response:
    """DELETE: it will never be whole."""
    _require_version(request)
    ref, deed = await _goes_on(request, "tus.upload.delete")
    await resume.end(desk_for(request), deed, ref)
    return Response(status_code=204, headers=_TUS)


async def overridden(request: Request) -> Response:
    """POST to an upload, from where no other method passes: the header says which is meant."""
    meant: dict[str, Handler] = {"PATCH": add, "HEAD": look, "DELETE": end}
    handle = meant.get(request.headers.get("x-http-method-override", "").upper())
    if handle is None:
        raise Refused(NO_ROUTE)
    return await handle(request)


def refusal(_request: Request, error: Refused) -> Response:
    """In words, under the status that it is, whatever the rest of the surface does."""
    return PlainTextResponse(
        str(error), error.refusal.true, headers={**_TUS, "Cache-Control": "no-store"}
    )


async def _add(request: Request, deed: Deed, ref: Ref, addition: Addition) -> Progress:
    """A line that breaks is no failed upload, nor is what can be put right."""
    desk = desk_for(request)
    async with counting_failure(desk.database, deed, "up", ref.bucket, ends=resume.ends):
        return await resume.add(desk, deed, ref, addition)


def _said_in(request: Request, metadata: Mapping[str, str]) -> Said:
    told = user_metadata(None, metadata.get("metadata") or None)
    label = metadata.get("documentLabel") or request.headers.get(LABEL_HEADER)
    return said_of(told, label)


async def _begins(request: Request, bucket: str, name: str) -> tuple[Deed, bool]:
    """Who begins it, and whether it may replace a file."""
    operation = "tus.upload.create"
    if _is_signed(request):
        return await deed_of_signature(request, f"{bucket}/{name}", operation)
    deed = await deed_of(request, operation)
    return deed, request.headers.get("x-upsert", "").lower() == "true"


async def _goes_on(request: Request, operation: str) -> tuple[Ref, Deed]:
    ref = read_ref(request.path_params["ref"])
    if _is_signed(request):
        deed, _ = await deed_of_signature(request, f"{ref.bucket}/{ref.name}", operation)
        return ref, deed
    return ref, await deed_of(request, operation)


def _is_signed(request: Request) -> bool:
    return f"{_SIGNED}/" in f"{request.url.path}/"


def _require_version(request: Request) -> None:
    if request.headers.get("tus-resumable") != VERSION:
        raise Refused(NOT_THIS_TUS)


def _require_offset_stream(request: Request) -> None:
    if request.headers.get("content-type", "").lower() != OFFSET_STREAM:
        raise Refused(NOT_OFFSET_STREAM)


def _announced(request: Request) -> int | None:
    """How long the body is; None if it comes without its length."""
    given = request.headers.get("content-length", "")
    if given.isascii() and given.isdigit():
        return int(given)
    return None if "transfer-encoding" in request.headers else 0


async def _body(request: Request) -> AsyncIterator[bytes]:
    async for piece in request.stream():
        if piece:
            yield piece


def _moment(progress: Progress) -> dict[str, str]:
    """Until when it may be gone on with."""
    if progress.upload.is_whole:
        return dict(_TUS)
    return {**_TUS, "Upload-Expires": format_datetime(progress.upload.expires_at, usegmt=True)}
