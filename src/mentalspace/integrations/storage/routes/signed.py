"""Makes signed links: to read one file or many, and to put one in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mentalspace.integrations.storage.keep import Target, may_keep
from mentalspace.integrations.storage.link import LASTS, LONGEST, UPLOAD_LASTS
from mentalspace.integrations.storage.refusal import BAD_REQUEST, NO_OBJECT, Refused
from mentalspace.integrations.storage.routes.answer import notice_in, services_of
from mentalspace.integrations.storage.routes.ask import (
    bucket_of,
    deed_of,
    desk_for,
    json_of,
    name_of,
    place_of,
    whole_number,
)
from mentalspace.integrations.storage.routes.audience import Asked, guard_of
from mentalspace.integrations.storage.routes.why import why_of
from mentalspace.integrations.storage.store import links, objects
from mentalspace.integrations.storage.store.acting import (
    Deed,
    acting,
    write_down,
    write_refusal_down,
)
from mentalspace.integrations.storage.store.links import Why
from mentalspace.integrations.storage.store.objects import Stored

_MOST_AT_ONCE = 500
_NOT_THERE = "Either the object does not exist or you do not have access to it"


@dataclass(frozen=True, slots=True)
class _Asked:
    lasts: timedelta
    why: Why


async def sign(request: Request) -> Response:
    """A link to one file that whoever asks may read: Supabase's, or with `oneTime` or an
    `audience` a guarded one, whose address names nothing."""
    deed = await deed_of(request, "object.sign")
    bucket, name = place_of(request)
    body = await json_of(request, optional=True)
    guard, asked = guard_of(body), _Asked(_lasts(body), why_of(body))
    if guard is not None:
        made = await _guarded(request, deed, (bucket, name), guard, asked)
    else:
        [made] = await _links(request, deed, bucket, [name], asked)
    if made is None:
        await write_refusal_down(desk_for(request).database, deed, "select", bucket, name)
        raise Refused(NO_OBJECT)
    return JSONResponse(made)


async def sign_many(request: Request) -> Response:
    """A link to each of the files; for those that are not there, or not theirs, a reason."""
    deed = await deed_of(request, "object.sign_many")
    bucket = bucket_of(request.path_params["bucket"])
    body = await json_of(request)
    given = body.get("paths")
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST_AT_ONCE:
        raise Refused(BAD_REQUEST, f"paths: give 1 to {_MOST_AT_ONCE} names")
    names = [name_of(name) for name in given]
    made = await _links(request, deed, bucket, names, _Asked(_lasts(body), why_of(body)))
    return JSONResponse(
        [
            {"error": None, "path": name, **one}
            if one
            else {"error": _NOT_THERE, "path": name, "signedURL": None}
            for name, one in zip(names, made, strict=True)
        ]
    )


async def sign_upload(request: Request) -> Response:
    """A link to put one file in, for whoever asks may; two hours."""
    deed = await deed_of(request, "object.sign_upload_url")
    upsert = request.headers.get("x-upsert", "").lower() == "true"
    target = Target(*place_of(request), upsert)
    desk = desk_for(request)
    await may_keep(desk, deed, target)
    link_id = uuid4()
    token = desk.links.sign(
        deed.person, "upload", target.key, desk.clock.now(), UPLOAD_LASTS,
        link_id=link_id, upsert=upsert,
    )  # fmt: skip
    async with acting(desk.database, deed) as connection:
        await links.add(connection, deed.person, "upload", [(link_id, None)], UPLOAD_LASTS)
        await write_down(
            desk.database, connection, deed, "upload_link_made",
            bucket=target.bucket, link=str(link_id),
        )  # fmt: skip
    url = f"/object/upload/sign/{quote(target.key)}?token={token}"
    return JSONResponse({"url": url, "token": token, "id": str(link_id)})


async def _guarded(
    request: Request, deed: Deed, place: tuple[str, str], guard: Asked, asked: _Asked
) -> dict[str, str] | None:
    """The link's two addresses, a program's and a person's; None if there is nothing to read."""
    desk, link_id = desk_for(request), uuid4()
    held = await guard.for_people_of(desk.database, deed.practice_id)
    async with acting(desk.database, deed) as connection:
        found = await objects.find(connection, *place)
        if found is None:
            return None
        made = [(link_id, found.id)]
        await links.add(connection, deed.person, "download", made, asked.lasts, held, asked.why)
        await write_down(
            desk.database, connection, deed, "document_link_made",
            subject=found.id, bucket=place[0], link=str(link_id), **guard.words(),
            **_words(found.label, asked.why),
        )  # fmt: skip
    token = desk.links.sign_guarded(deed.practice_id, link_id, desk.clock.now(), asked.lasts)
    return {
        "signedURL": f"/link?token={token}",
        "page": f"{services_of(request).settings.site_url}/d/{token}",
        "id": str(link_id),
        **notice_in(request, found.label),
    }


async def _links(
    request: Request, deed: Deed, bucket: str, names: list[str], asked: _Asked
) -> list[dict[str, str] | None]:
    """For each name its link, or None if there is nothing they may read."""
    desk = desk_for(request)
    async with acting(desk.database, deed) as connection:
        found = await objects.find_many(connection, bucket, names)
        made = {one.name: (uuid4(), one) for one in found}
        rows = [(link_id, one.id) for link_id, one in made.values()]
        await links.add(connection, deed.person, "download", rows, asked.lasts, why=asked.why)
        for link_id, one in made.values():
            await write_down(
                desk.database, connection, deed, "document_link_made",
                subject=one.id, bucket=bucket, link=str(link_id), **_words(one.label, asked.why),
            )  # fmt: skip
    now = desk.clock.now()

    def link(link_id: UUID, one: Stored) -> dict[str, str]:
        key = f"{bucket}/{one.name}"
        token = desk.links.sign(deed.person, "download", key, now, asked.lasts, link_id=link_id)
        url = f"/object/sign/{quote(key)}?token={token}"
        return {"signedURL": url, "id": str(link_id), **notice_in(request, one.label)}

    return [link(*made[name]) if name in made else None for name in names]


def _words(label: str | None, why: Why) -> dict[str, str]:
    """What the audit says besides."""
    return why.words() if label is None else {**why.words(), "label": label}


def _lasts(body: dict[str, Any]) -> timedelta:
    usual, longest = int(LASTS.total_seconds()), int(LONGEST.total_seconds())
    return timedelta(seconds=whole_number(body, "expiresIn", usual, least=1, most=longest))
