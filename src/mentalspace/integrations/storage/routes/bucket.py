"""Buckets: listed, made, changed, emptied, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mentalspace.integrations.storage.model import (
    LARGEST_QUOTA,
    LONGEST_RETENTION_DAYS,
    USUAL_RETENTION_DAYS,
    media_type,
    parse_size,
)
from mentalspace.integrations.storage.refusal import (
    BAD_REQUEST,
    BUCKET_EXISTS,
    BUCKET_NOT_EMPTY,
    NO_BUCKET,
    NOT_ALLOWED,
    OBJECT_EXISTS,
    Refused,
)
from mentalspace.integrations.storage.routes.ask import (
    bucket_of,
    deed_of,
    desk_for,
    json_of,
    text,
    whole_number,
)
from mentalspace.integrations.storage.routes.change import let_go_of, write_removal_down
from mentalspace.integrations.storage.store import buckets, objects
from mentalspace.integrations.storage.store.acting import acting, write_down

_EMPTIED_AT_ONCE = 500


async def list_all(request: Request) -> Response:
    deed = await deed_of(request, "bucket.list")
    asked: Mapping[str, Any] = request.query_params
    limit = whole_number(asked, "limit", 100, least=1, most=1000)
    offset = whole_number(asked, "offset", 0, least=0, most=10_000_000)
    async with acting(desk_for(request).database, deed) as connection:
        rows = await buckets.list_buckets(connection, text(asked, "search"), limit, offset)
    return JSONResponse([_row(row) for row in rows])


async def get(request: Request) -> Response:
    deed = await deed_of(request, "bucket.get")
    async with acting(desk_for(request).database, deed) as connection:
        row = await buckets.find_bucket(connection, _bucket(request))
    if row is None:
        raise Refused(NO_BUCKET)
    return JSONResponse(_row(row))


async def create(request: Request) -> Response:
    deed = await deed_of(request, "bucket.create")
    body = await json_of(request)
    name = bucket_of(body.get("name"))
    bucket = bucket_of(body.get("id") or name)
    given, desk = _given(body), desk_for(request)
    try:
        async with acting(desk.database, deed) as connection:
            await buckets.add_bucket(
                connection,
                deed.practice_id,
                bucket,
                name,
                deed.person.user_id,
                given.get("file_size_limit"),
                given.get("allowed_mime_types"),
                given.get("quota_bytes"),
                given.get("retention_days", USUAL_RETENTION_DAYS),
            )
            await write_down(desk.database, connection, deed, "bucket_made", bucket=bucket)
    except Refused as error:
        if error.refusal is OBJECT_EXISTS:
            raise Refused(BUCKET_EXISTS) from error
        raise
    return JSONResponse({"name": bucket})


async def update(request: Request) -> Response:
    deed = await deed_of(request, "bucket.update")
    bucket, given = _bucket(request), _given(await json_of(request))
    desk = desk_for(request)
    async with acting(desk.database, deed) as connection:
        if await buckets.find_bucket(connection, bucket) is None:
            raise Refused(NO_BUCKET)
        if not await buckets.change_bucket(connection, bucket, given):
            raise Refused(NOT_ALLOWED)
        await write_down(desk.database, connection, deed, "bucket_changed", bucket=bucket)
    return JSONResponse({"message": "Successfully updated"})


async def delete(request: Request) -> Response:
    """Only an empty one, and none of those that every practice has."""
    deed = await deed_of(request, "bucket.delete")
    bucket, desk = _bucket(request), desk_for(request)
    try:
        async with acting(desk.database, deed) as connection:
            if await buckets.find_bucket(connection, bucket) is None:
                raise Refused(NO_BUCKET)
            if not await buckets.delete_bucket(connection, bucket):
                raise Refused(NOT_ALLOWED)
            await write_down(desk.database, connection, deed, "bucket_deleted", bucket=bucket)
    except Refused as error:
        if error.__cause__ is not None and error.refusal is NO_BUCKET:  # a file names it still
            raise Refused(BUCKET_NOT_EMPTY) from error
        raise
    return JSONResponse({"message": "Successfully deleted"})


async def empty(request: Request) -> Response:
    """Delete whatever in it is theirs to delete, some hundreds at a time."""
    deed = await deed_of(request, "bucket.empty")
    bucket, desk = _bucket(request), desk_for(request)
    while True:
        async with acting(desk.database, deed) as connection:
            if await buckets.find_bucket(connection, bucket) is None:
                raise Refused(NO_BUCKET)
            names = await buckets.some_names(connection, bucket, _EMPTIED_AT_ONCE)
            removed = await objects.remove(connection, bucket, names)
            await write_removal_down(desk, deed, connection, removed)
        await let_go_of(desk, deed, removed)
        if not removed.files:
            break
    if names:
        raise Refused(NOT_ALLOWED)
    return JSONResponse({"message": "Successfully emptied"})


def _bucket(request: Request) -> str:
    return bucket_of(request.path_params["bucket"])


def _given(body: Mapping[str, Any]) -> dict[str, Any]:
    """The limits that a body sets; null lifts one. Raises Refused."""
    if body.get("public"):
        raise Refused(BAD_REQUEST, "public: no bucket of a practice is; use signed links")
    given: dict[str, Any] = {}
    if "file_size_limit" in body:
        limit = body["file_size_limit"]
        try:
            given["file_size_limit"] = None if limit is None else parse_size(limit)
        except (ValueError, AttributeError) as error:
            said = "file_size_limit: give a number of bytes, or text such as 50MB"
            raise Refused(BAD_REQUEST, said) from error
    if "quota" in body:
        given["quota_bytes"] = _quota(body["quota"])
    if "retention_days" in body:
        given["retention_days"] = _retention(body)
    if "allowed_mime_types" in body:
        given["allowed_mime_types"] = _types(body["allowed_mime_types"])
    return given


def _quota(given: Any) -> int | None:
    """What it may fill before it is time to plan for more; a word of ours, not of Supabase."""
    try:
        return None if given is None else parse_size(given, most=LARGEST_QUOTA)
    except (ValueError, AttributeError) as error:
        said = "quota: give a number of bytes, or text such as 50GB"
        raise Refused(BAD_REQUEST, said) from error


def _retention(body: Mapping[str, Any]) -> int:
    """For how long what is removed is kept; nought lets it go at once, null is the usual time."""
    if body["retention_days"] is None:
        return USUAL_RETENTION_DAYS
    return whole_number(body, "retention_days", 0, least=0, most=LONGEST_RETENTION_DAYS)


def _types(given: Any) -> list[str] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise Refused(BAD_REQUEST, "allowed_mime_types: give a list of types")
    wanted = [one if one.endswith("/*") else media_type(one) for one in given]
    if not all(wanted) or len(wanted) > 100:
        raise Refused(BAD_REQUEST, "allowed_mime_types: give types such as image/png")
    return wanted


def _row(row: dict[str, Any]) -> dict[str, Any]:
    instants = {name: row[name].isoformat() for name in ("created_at", "updated_at")}
    return {**row, **instants}
