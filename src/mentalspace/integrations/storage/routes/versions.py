"""Removed versions: listed, read, and restored by whoever may replace the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mentalspace.integrations.storage.check import require_checked
from mentalspace.integrations.storage.desk import Desk
from mentalspace.integrations.storage.keep import opening
from mentalspace.integrations.storage.ours import as_uuid
from mentalspace.integrations.storage.refusal import NO_OBJECT, Refused
from mentalspace.integrations.storage.restore import restore as restore_version
from mentalspace.integrations.storage.restore import tell_refused
from mentalspace.integrations.storage.routes.answer import notice_in
from mentalspace.integrations.storage.routes.ask import (
    bucket_of,
    deed_of,
    desk_for,
    place_of,
    text,
    whole_number,
)
from mentalspace.integrations.storage.routes.carried import counting_failure
from mentalspace.integrations.storage.routes.download import give_found, is_whole, reading_word
from mentalspace.integrations.storage.store import archive, objects, readings
from mentalspace.integrations.storage.store.acting import (
    Deed,
    acting,
    write_down,
    write_refusal_down,
)
from mentalspace.integrations.storage.store.archive import Removed
from mentalspace.integrations.storage.store.objects import Stored

_MOST = 1000


async def list_versions(request: Request) -> Response:
    """Of a name, also one that no file has any more: the current one first, then those that were
    removed, the newest first."""
    deed = await deed_of(request, "object.list")
    desk, (bucket, name) = desk_for(request), place_of(request)
    async with acting(desk.database, deed) as connection:
        current = await archive.find_current(connection, bucket, name)
        file_id = None if current is None else current[0].id
        removed = await archive.removed_at(connection, bucket, name, file_id, _MOST)
        if current is not None or removed:
            await write_down(
                desk.database, connection, deed, "document_versions_listed",
                subject=file_id or removed[0].stored.id, bucket=bucket,
            )  # fmt: skip
    if current is None and not removed:
        await write_refusal_down(desk.database, deed, "select", bucket, name)
        raise Refused(NO_OBJECT)
    now = []
    if current is not None:
        now = [{**_row(request, current[0]), "current": True, "held": current[1]}]
    return JSONResponse([*now, *(_removed_row(request, one) for one in removed)])


async def list_deleted(request: Request) -> Response:
    """Names in a bucket that no file has any more, each with the version that was there last."""
    deed = await deed_of(request, "object.list")
    desk, bucket = desk_for(request), bucket_of(request.path_params["bucket"])
    asked: Mapping[str, Any] = request.query_params
    async with acting(desk.database, deed) as connection:
        removed = await archive.deleted_in(
            connection, bucket, text(asked, "prefix"),
            whole_number(asked, "limit", 100, least=1, most=_MOST),
            whole_number(asked, "offset", 0, least=0, most=10_000_000),
        )  # fmt: skip
        await write_down(
            desk.database, connection, deed, "documents_deleted_listed",
            bucket=bucket if removed else "",
        )  # fmt: skip
    return JSONResponse([_removed_row(request, one) for one in removed])


async def read(request: Request) -> Response:
    """A version, by its name alone: a removed one, or a file's."""
    deed = await deed_of(request, "object.get_authenticated")
    return await give_version(request, deed, _version(request))


async def give_version(request: Request, deed: Deed, version: str) -> Response:
    """As the request's headers ask for it. Raises Refused."""
    desk = desk_for(request)
    found, key = await _found(request, desk, deed, version)
    if request.method == "HEAD":
        return await give_found(request, deed, found, key)
    async with counting_failure(desk.database, deed, "down", found.bucket_id):
        return await give_found(request, deed, found, key)


async def restore(request: Request) -> Response:
    """It is the current one again, where its file is now or where it lay."""
    deed, version = await deed_of(request, "object.restore"), _version(request)
    file_id, bucket, name = await restore_version(desk_for(request), deed, version)
    return JSONResponse(
        {"message": "Successfully restored", "Id": str(file_id), "Key": f"{bucket}/{name}"}
    )


async def _found(
    request: Request, desk: Desk, deed: Deed, version: str
) -> tuple[Stored, bytes | None]:
    """Its row and what opens it; that it was looked at is written down. Raises Refused."""
    action = reading_word(request)
    async with acting(desk.database, deed) as connection:
        found = await archive.find_removed(connection, version)
        if found is None:
            found = await objects.find_by_version(connection, version)
        if found is not None:
            require_checked(found)
            await desk.database.go_on_as_worker(connection, deed.practice_id)
            if action != "document_read" or await readings.is_new(
                connection, deed, version, whole=is_whole(request, found)
            ):
                await write_down(
                    desk.database, connection, deed, action, subject=found.id,
                    bucket=found.bucket_id, version=version,
                )  # fmt: skip
            return found, await opening(desk, connection, deed.practice_id, found)
    await tell_refused(desk, deed, version)
    raise Refused(NO_OBJECT)


def _version(request: Request) -> str:
    given = str(request.path_params["version"])
    if as_uuid(given) is None:
        raise Refused(NO_OBJECT)
    return given


def _removed_row(request: Request, one: Removed) -> dict[str, Any]:
    return {
        **_row(request, one.stored),
        "current": False,
        "held": one.is_held,
        "why": one.why,
        "removed_by": None if one.removed_by is None else str(one.removed_by),
        "archived_at": one.archived_at.isoformat(),
        "purge_at": one.purge_at.isoformat(),
    }


def _row(request: Request, one: Stored) -> dict[str, Any]:
    """`added_at` is when this version came, or its file got its name."""
    return {
        "id": str(one.id),
        "bucket_id": one.bucket_id,
        "name": one.name,
        "version": one.version,
        "owner_id": one.owner_id,
        "size": one.metadata.get("size"),
        "content_type": one.metadata.get("mimetype"),
        "etag": one.metadata.get("eTag"),
        "metadata": one.user_metadata or {},
        "label": one.label,
        "added_at": one.updated_at.isoformat(),
        "checked": one.scanned or "waiting",
        **notice_in(request, one.label),
    }
