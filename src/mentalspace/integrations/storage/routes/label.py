"""A file's label: put on by staff, taken off by an administrator who says why."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mentalspace.integrations.storage.labelling import (
    LABELLING,
    UNLABELLING,
    label_file,
    take_label_off,
)
from mentalspace.integrations.storage.notice import PART2
from mentalspace.integrations.storage.refusal import BAD_REQUEST, Refused
from mentalspace.integrations.storage.routes.answer import notice_in
from mentalspace.integrations.storage.routes.ask import deed_of, desk_for, json_of, place_of
from mentalspace.integrations.storage.routes.said import label_in


async def put(request: Request) -> Response:
    """Of a file that is here already: whatever of it is given out from now on brings the notice."""
    deed = await deed_of(request, LABELLING)
    body = await json_of(request)
    if label_in(body.get("label")) is None:
        raise Refused(BAD_REQUEST, f"label: give {PART2}")
    found = await label_file(desk_for(request), deed, place_of(request), PART2)
    said = {"message": "The file is labelled", "Id": str(found.id)}
    return JSONResponse({**said, **notice_in(request, PART2)})


async def take_off(request: Request) -> Response:
    deed = await deed_of(request, UNLABELLING)
    reason = (await json_of(request, optional=True)).get("reason") or ""
    if not isinstance(reason, str):
        raise Refused(BAD_REQUEST, "reason: give text")
    found = await take_label_off(desk_for(request), deed, place_of(request), reason)
    return JSONResponse({"message": "The label is taken off", "Id": str(found.id)})
