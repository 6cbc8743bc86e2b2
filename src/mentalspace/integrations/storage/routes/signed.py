"""Makes signed links: to read one file or many, and to put one in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mentalspace.integrations.storage.keep import Target, may_keep
from mentalspace.integrations.storage.link import LASTS, LONGEST, UPLOAD_LASTS
from mentalspace.integrations.storage.refusal import BAD_REQUEST, NO_OBJECT, Refused
from mentalspace.integrations.storage.routes.ask import (
    bucket_of,
    deed_of,
    desk_for,
    json_of,
    name_of,
    place_of,
    whole_number,
)
from mentalspace.integrations.storage.store import objects
from mentalspace.integrations.storage.store.acting import (
    Deed,
    acting,
    write_down,
    write_refusal_down,
)

_MOST_AT_ONCE = 500
_NOT_THERE = "Either the object does not exist or you do not have access to it"


async def sign(request: Request) -> Response:
    """A link to one file that whoever asks may read."""
    deed = await deed_of(request, "object.sign")
    bucket, name = place_of(request)
    lasts = _lasts(await json_of(request, optional=True))
    [url] = await _links(request, deed, bucket, [name], lasts)
    if url is None:
        await write_refusal_down(desk_for(request).database, deed, "select", bucket, name)
        raise Refused(NO_OBJECT)
    return JSONResponse({"signedURL": url})


async def sign_many(request: Request) -> Response:
    """A link to each of the files; for those that are not there, or not theirs, a reason."""
    deed = await deed_of(request, "object.sign_many")
    bucket = bucket_of(request.path_params["bucket"])
    body = await json_of(request)
    given = body.get("paths")
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST_AT_ONCE:
        raise Refused(BAD_REQUEST, f"paths: give 1 to {_MOST_AT_ONCE} names")
    names = [name_of(name) for name in given]
    urls = await _links(request, deed, bucket, names, _lasts(body))
    return JSONResponse(
        [
            {"error": None if url else _NOT_THERE, "path": name, "signedURL": url}
            for name, url in zip(names, urls, strict=True)
        ]
    )


async def sign_upload(request: Request) -> Response:
    """A link to put one file in, for whoever asks may; two hours."""
    deed = await deed_of(request, "object.sign_upload_url")
    upsert = request.headers.get("x-upsert", "").lower() == "true"
    target = Target(*place_of(request), upsert)
    desk = desk_for(request)
    await may_keep(desk, deed, target)
    token = desk.links.sign(
        deed.person, "upload", target.key, desk.clock.now(), UPLOAD_LASTS, upsert=upsert
    )
    async with acting(desk.database, deed) as connection:
        await write_down(desk.database, connection, deed, "upload_link_made", bucket=target.bucket)
    return JSONResponse(
        {"url": f"/object/upload/sign/{quote(target.key)}?token={token}", "token": token}
    )


async def _links(
    request: Request, deed: Deed, bucket: str, names: list[str], lasts: timedelta
) -> list[str | None]:
    """For each name its link, or None if there is nothing they may read."""
    desk = desk_for(request)
    async with acting(desk.database, deed) as connection:
        found = {one.name: one for one in await objects.find_many(connection, bucket, names)}
        for one in found.values():
            await write_down(
                desk.database, connection, deed, "document_link_made",
                subject=one.id, bucket=bucket,
            )  # fmt: skip
    now, urls = desk.clock.now(), []
    for name in names:
        key = f"{bucket}/{name}"
        urls.append(
            f"/object/sign/{quote(key)}?token="
            + desk.links.sign(deed.person, "download", key, now, lasts)
            if name in found
            else None
        )
    return urls


def _lasts(body: dict[str, Any]) -> timedelta:
    usual, longest = int(LASTS.total_seconds()), int(LONGEST.total_seconds())
    return timedelta(seconds=whole_number(body, "expiresIn", usual, least=1, most=longest))
