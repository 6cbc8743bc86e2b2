"""Copies, moves and deletes files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mentalspace.engine.db import Connection
from mentalspace.integrations.storage import keep
from mentalspace.integrations.storage.desk import Desk
from mentalspace.integrations.storage.keep import Target
from mentalspace.integrations.storage.purge import purge_now
from mentalspace.integrations.storage.refusal import (
    BAD_REQUEST,
    NO_OBJECT,
    NOT_ALLOWED,
    Refused,
)
from mentalspace.integrations.storage.routes.answer import notice_in
from mentalspace.integrations.storage.routes.ask import (
    bucket_of,
    deed_of,
    desk_for,
    json_of,
    name_of,
    place_of,
)
from mentalspace.integrations.storage.routes.said import said_of
from mentalspace.integrations.storage.shipping import forget_sealed
from mentalspace.integrations.storage.store import objects
from mentalspace.integrations.storage.store.acting import (
    Deed,
    acting,
    write_down,
    write_refusal_down,
)
from mentalspace.integrations.storage.store.objects import Removed, Stored

_MOST_AT_ONCE = 1000


async def copy(request: Request) -> Response:
    deed = await deed_of(request, "object.copy")
    body = await json_of(request)
    source, target = _both(body, request.headers.get("x-upsert", "").lower() == "true")
    made, found = await keep.copy(desk_for(request), deed, source, target, _said(body))
    return JSONResponse(
        {
            "Key": target.key,
            "Id": str(made),
            "name": target.name,
            "bucket_id": target.bucket,
            "metadata": dict(found.metadata),
            **notice_in(request, found.label),
        }
    )


async def move(request: Request) -> Response:
    deed = await deed_of(request, "object.move")
    source, target = _both(await json_of(request), False)
    moved = await keep.move(desk_for(request), deed, source, target)
    return JSONResponse({"message": "Successfully moved", "Id": str(moved), "Key": target.key})


async def delete(request: Request) -> Response:
    """One file. Whoever may see it and not delete it is told so; others, that it is not there."""
    deed = await deed_of(request, "object.delete")
    bucket, name = place_of(request)
    desk = desk_for(request)
    removed = Removed([], True)
    async with acting(desk.database, deed) as connection:
        found = await objects.find(connection, bucket, name)
        if found is not None:
            removed = await objects.remove(connection, bucket, [name])
            await write_removal_down(desk, deed, connection, removed)
    if not removed.files:
        await write_refusal_down(
            desk.database, deed, "select" if found is None else "delete", bucket, name
        )
        raise Refused(NO_OBJECT if found is None else NOT_ALLOWED)
    await let_go_of(desk, deed, removed)
    return JSONResponse({"message": "Successfully deleted"})


async def delete_many(request: Request) -> Response:
    """Those of the files that whoever asks may delete; of the others nothing is said."""
    deed = await deed_of(request, "object.delete_many")
    bucket = bucket_of(request.path_params["bucket"])
    names = _names(await json_of(request))
    desk = desk_for(request)
    async with acting(desk.database, deed) as connection:
        removed = await objects.remove(connection, bucket, names)
        await write_removal_down(desk, deed, connection, removed)
    for name in sorted(set(names) - {one.name for one in removed.files}):
        await write_refusal_down(desk.database, deed, "delete", bucket, name)
    await let_go_of(desk, deed, removed)
    return JSONResponse([_row(one) for one in removed.files])


async def write_removal_down(
    desk: Desk, deed: Deed, connection: Connection, removed: Removed
) -> None:
    """The last thing of the transaction that removes files."""
    for one in removed.files:
        await write_down(
            desk.database, connection, deed, "document_deleted",
            subject=one.id, bucket=one.bucket_id,
        )  # fmt: skip
        if one.scanned == "infected":
            await forget_sealed(connection, one.version, reason="removed")


async def let_go_of(desk: Desk, deed: Deed, removed: Removed) -> None:
    """After that transaction: what their bucket does not keep goes at once."""
    if removed.files and not removed.keeps_removed:
        await purge_now(desk, deed.practice_id, removed.versions)


def _both(body: dict[str, Any], upsert: bool) -> tuple[tuple[str, str], Target]:
    """From where, and to where: into another bucket if one is named."""
    bucket = bucket_of(body.get("bucketId"))
    source = (bucket, name_of(body.get("sourceKey")))
    other = body.get("destinationBucket")
    target_bucket = bucket if other is None else bucket_of(other)
    return source, Target(target_bucket, name_of(body.get("destinationKey")), upsert)


def _said(body: dict[str, Any]) -> Mapping[str, Any] | None:
    """New metadata for a copy, unless it takes over what was said of the original. The label it
    has in any case, and no other."""
    given = body.get("metadata")
    if body.get("copyMetadata", True) or given is None:
        return None
    if not isinstance(given, dict):
        raise Refused(BAD_REQUEST, "metadata: give a JSON object")
    return said_of(given, None).metadata


def _names(body: dict[str, Any]) -> list[str]:
    given = body.get("prefixes")
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST_AT_ONCE:
        raise Refused(BAD_REQUEST, f"prefixes: give 1 to {_MOST_AT_ONCE} names")
    return [name_of(name) for name in given]


def _row(one: Stored) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "bucket_id": one.bucket_id,
        "name": one.name,
        "owner": one.owner_id,
        "owner_id": one.owner_id,
        "version": one.version,
        "created_at": one.created_at.isoformat(),
        "updated_at": one.updated_at.isoformat(),
        "last_accessed_at": one.last_accessed_at.isoformat(),
        "metadata": dict(one.metadata),
        "user_metadata": one.user_metadata,
    }
