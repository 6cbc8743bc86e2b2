"""The end of a client's documents, for an administrator who says why and names the client twice."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mentalspace.integrations.storage.refusal import BAD_REQUEST, Refused
from mentalspace.integrations.storage.routes.ask import deed_of, desk_for, json_of
from mentalspace.integrations.storage.routes.holds import client_id_of, reason_of
from mentalspace.integrations.storage.shred import shred as shred_client


async def shred(request: Request) -> Response:
    deed = await deed_of(request, "object.shred")
    body = await json_of(request)
    client_id, reason = client_id_of(body), reason_of(body)
    if client_id_of(body, "confirm") != client_id:
        raise Refused(BAD_REQUEST, "confirm: give the same client's id again; nothing is undone")
    done = await shred_client(desk_for(request), deed, client_id, reason)
    return JSONResponse(
        {
            "id": str(done.id),
            "files": done.files,
            "versions": done.versions,
            "uploads": done.uploads,
        }
    )
