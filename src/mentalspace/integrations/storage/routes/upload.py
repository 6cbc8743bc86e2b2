"""Puts a file into a bucket, from a raw body or a form, as its bytes arrive."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mentalspace.integrations.storage.disk.landing import Landing
from mentalspace.integrations.storage.form import Form, read_form
from mentalspace.integrations.storage.intake import Intake
from mentalspace.integrations.storage.keep import Said, Target, Told, keep, may_keep
from mentalspace.integrations.storage.routes.ask import (
    deed_of,
    deed_of_link,
    desk_for,
    place_of,
    user_metadata,
)
from mentalspace.integrations.storage.routes.carried import counting_failure
from mentalspace.integrations.storage.routes.said import LABEL_HEADER, label_in, said_of
from mentalspace.integrations.storage.store.acting import Deed

# What a cache may be told; anything else is not repeated to one.
_CACHE_CONTROL = re.compile(r"[a-z0-9=, -]{1,100}")
_SECONDS = re.compile(r"[0-9]{1,9}")
_UNSAID = "no-cache"
# A form has a few hundred bytes around its file.
_AROUND = 64 * 1024


About: TypeAlias = Callable[[Form], Said]


def _said_in(form: Form) -> Said:
    metadata = user_metadata(None, form.fields.get("metadata"))
    return said_of(metadata, form.fields.get("documentLabel"))


async def upload(request: Request) -> Response:
    """POST: a new file, or with x-upsert one that replaces another."""
    deed = await deed_of(request, "object.upload")
    upsert = request.headers.get("x-upsert", "").lower() == "true"
    return await _take(request, deed, Target(*place_of(request), upsert))


async def update(request: Request) -> Response:
    """PUT: the same as an upsert; a file that was not there is made."""
    deed = await deed_of(request, "object.upload_update")
    return await _take(request, deed, Target(*place_of(request), True))


async def upload_by_link(request: Request) -> Response:
    """PUT under a link that somebody made who may put a file there."""
    deed, upsert = await deed_of_link(request, "upload", "object.upload_signed")
    return await _take(request, deed, Target(*place_of(request), upsert))


async def _take(request: Request, deed: Deed, target: Target) -> Response:
    kept = await take(request, deed, target)
    return JSONResponse({"Key": target.key, "Id": str(kept)})


async def take(request: Request, deed: Deed, target: Target, about: About = _said_in) -> UUID:
    """The id of the file in the request's body. `about` reads a form's fields when all of it came
    and nothing is kept: what it gives is said of the file, what it raises goes through.
    Raises Refused."""
    desk = desk_for(request)
    async with counting_failure(desk.database, deed, "up", target.bucket) as carried:
        limits = await may_keep(desk, deed, target)
        async with Landing(
            desk.shelf, deed.practice_id, check=desk.scanner.as_it_lands()
        ) as landing:
            carried.watch(lambda: landing.size)
            intake = Intake(landing, limits)
            told = await _receive(request, intake, about)
            intake.finish()
            return await keep(desk, deed, target, landing, told)


async def _receive(request: Request, intake: Intake, about: About) -> Told:
    """Let the body through the intake, whichever way it is wrapped."""
    label = label_in(request.headers.get(LABEL_HEADER))
    content_type = request.headers.get("content-type", "")
    announced = request.headers.get("content-length", "")
    size = int(announced) if announced.isascii() and announced.isdigit() else 0
    if content_type.lower().startswith("multipart/form-data"):
        intake.announce(size - _AROUND)
        form = await read_form(request.stream(), content_type, intake.declare, intake.write)
        seconds = form.fields.get("cacheControl", "")
        cache = f"max-age={seconds}" if _SECONDS.fullmatch(seconds) else _UNSAID
        said = about(form)
    else:
        intake.announce(size)
        intake.declare(content_type)
        async for piece in request.stream():
            if piece:
                await intake.write(piece)
        cache = request.headers.get("cache-control", "").lower()
        cache = cache if _CACHE_CONTROL.fullmatch(cache) else _UNSAID
        said = said_of(user_metadata(request.headers.get("x-metadata"), None), None)
    return Told(intake.media_type, cache, replace(said, label=label or said.label))
