"""Lists what lies in a bucket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mentalspace.engine.db import Connection
from mentalspace.integrations.storage.model import last_step
from mentalspace.integrations.storage.refusal import BAD_REQUEST, Refused
from mentalspace.integrations.storage.routes.answer import notice_in
from mentalspace.integrations.storage.routes.ask import (
    bucket_of,
    deed_of,
    desk_for,
    json_of,
    text,
    whole_number,
)
from mentalspace.integrations.storage.store.acting import Deed, acting, write_down
from mentalspace.integrations.storage.store.listing import (
    SORTS,
    Order,
    list_after,
    list_folder,
)

_MOST = 1000
_INSTANTS = ("updated_at", "created_at", "last_accessed_at")


async def list_posted(request: Request) -> Response:
    """A folder's page, as the clients ask for it."""
    deed = await deed_of(request, "object.list")
    return await _list(request, deed, await json_of(request, optional=True))


async def list_asked(request: Request) -> Response:
    """The same by a GET, with the fields in the query."""
    deed = await deed_of(request, "object.list")
    asked: dict[str, Any] = dict(request.query_params)
    asked["sortBy"] = {"column": asked.get("sortBy"), "order": asked.get("order")}
    return await _list(request, deed, asked)


async def list_by_cursor(request: Request) -> Response:
    """Whatever begins with a prefix, a page after another."""
    deed = await deed_of(request, "object.list_v2")
    desk, bucket = desk_for(request), bucket_of(request.path_params["bucket"])
    body = await json_of(request, optional=True)
    sort, order = _sort(body)
    if sort != "name":
        raise Refused(BAD_REQUEST, "sortBy: with a cursor, sort by name")
    async with acting(desk.database, deed) as connection:
        try:
            page = await list_after(
                connection,
                bucket,
                text(body, "prefix"),
                cursor=text(body, "cursor"),
                limit=whole_number(body, "limit", _MOST, least=1, most=_MOST),
                delimited=body.get("with_delimiter") is True,
                order=order,
            )
        except ValueError as error:
            raise Refused(BAD_REQUEST, "cursor: send back the nextCursor as it came") from error
        await _write_down(request, deed, connection, bucket if page.entries else "")
    answer: dict[str, Any] = {
        "hasNext": page.next_cursor is not None,
        "folders": [
            {"key": last_step(entry["name"].rstrip("/")), "name": entry["name"]}
            for entry in page.entries
            if entry["is_folder"]
        ],
        "objects": [
            {"key": last_step(entry["name"]), **_row(request, entry)}
            for entry in page.entries
            if not entry["is_folder"]
        ],
    }
    if page.next_cursor is not None:
        answer["nextCursor"] = page.next_cursor
        answer["nextCursorKey"] = page.entries[-1]["name"]
    return JSONResponse(answer)


async def _list(request: Request, deed: Deed, body: Mapping[str, Any]) -> Response:
    desk, bucket = desk_for(request), bucket_of(request.path_params["bucket"])
    folder = text(body, "prefix").strip("/")
    sort, order = _sort(body)
    async with acting(desk.database, deed) as connection:
        rows = await list_folder(
            connection,
            bucket,
            f"{folder}/" if folder else "",
            search=text(body, "search"),
            limit=whole_number(body, "limit", 100, least=1, most=_MOST),
            offset=whole_number(body, "offset", 0, least=0, most=10_000_000),
            sort=sort,
            order=order,
        )
        await _write_down(request, deed, connection, bucket if rows else "")
    return JSONResponse([_row(request, row) for row in rows])


async def _write_down(request: Request, deed: Deed, connection: Connection, bucket: str) -> None:
    """Names were asked for, and where any were seen; a bucket that is none may be any word."""
    if deed.person.practice_id is not None:
        database = desk_for(request).database
        await write_down(database, connection, deed, "documents_listed", bucket=bucket)


def _sort(body: Mapping[str, Any]) -> tuple[str, Order]:
    by = body.get("sortBy") or {}
    if not isinstance(by, dict):
        raise Refused(BAD_REQUEST, "sortBy: give a column and an order")
    column, order = by.get("column") or "name", by.get("order") or "asc"
    if column not in SORTS or order not in ("asc", "desc"):
        raise Refused(BAD_REQUEST, f"sortBy: a column of {', '.join(SORTS)}; asc or desc")
    return column, cast(Order, order)


def _row(request: Request, row: Mapping[str, Any]) -> dict[str, Any]:
    instants = {name: row[name].isoformat() if row[name] else None for name in _INSTANTS}
    return {
        "name": row["name"],
        "id": None if row["id"] is None else str(row["id"]),
        **instants,
        "metadata": row["metadata"],
        **notice_in(request, row["label"]),
    }
