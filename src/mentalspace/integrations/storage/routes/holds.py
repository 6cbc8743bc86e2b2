"""Legal holds: put on a file or on all of a client, listed, and lifted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mentalspace.engine.db import Connection
from mentalspace.integrations.storage.desk import Desk
from mentalspace.integrations.storage.ours import as_uuid
from mentalspace.integrations.storage.refusal import (
    BAD_REQUEST,
    NO_CLIENT,
    NO_HOLD,
    NO_OBJECT,
    NOT_ALLOWED,
    Refused,
)
from mentalspace.integrations.storage.routes.ask import (
    bucket_of,
    deed_of,
    desk_for,
    json_of,
    name_of,
)
from mentalspace.integrations.storage.store import archive, holds
from mentalspace.integrations.storage.store.acting import (
    Deed,
    acting,
    write_down,
    write_refusal_down,
)

# What says that it is an administrator's to do.
_HOLDING = "administrator_alone_holds"
_LIFTING = "administrator_alone_lifts"
_LEAST_REASON, _LONGEST_REASON = 3, 1000


async def hold(request: Request) -> Response:
    """On a file, also a deleted one, or on a client: from now on nothing of it is destroyed."""
    deed = await deed_of(request, "object.hold")
    body, desk = await json_of(request), desk_for(request)
    reason = reason_of(body)
    try:
        async with acting(desk.database, deed) as connection:
            kind, held_id = await _what(connection, body)
            hold_id = await holds.add(connection, kind, held_id, reason)
            await write_down(
                desk.database, connection, deed, f"{kind}_held", subject=held_id,
                hold=str(hold_id),
            )  # fmt: skip
    except Refused as error:
        await _tell(desk, deed, error, _HOLDING)
        raise
    return JSONResponse({"id": str(hold_id), "kind": kind, "held_id": str(held_id)})


async def lift(request: Request) -> Response:
    """What removed versions were kept for beyond their time, the worker purges within the hour."""
    deed = await deed_of(request, "object.hold")
    reason = reason_of(await json_of(request))
    hold_id, desk = as_uuid(str(request.path_params["id"])), desk_for(request)
    if hold_id is None:
        raise Refused(NO_HOLD)
    try:
        async with acting(desk.database, deed) as connection:
            lifted = await holds.lift(connection, hold_id, reason)
            if lifted is None:
                seen = deed.person.role != "administrator" and await holds.is_known(
                    connection, hold_id
                )
                raise Refused(NOT_ALLOWED if seen else NO_HOLD)
            await write_down(
                desk.database, connection, deed, f"{lifted[0]}_hold_lifted", subject=lifted[1],
                hold=str(hold_id),
            )  # fmt: skip
    except Refused as error:
        await _tell(desk, deed, error, _LIFTING)
        raise
    return JSONResponse({"message": "The hold is lifted"})


async def list_all(request: Request) -> Response:
    """Those in force, which staff see."""
    deed = await deed_of(request, "object.hold")
    desk = desk_for(request)
    async with acting(desk.database, deed) as connection:
        found = await holds.in_force(connection)
        await write_down(desk.database, connection, deed, "holds_listed")
    return JSONResponse(
        [
            {
                "id": str(one.id),
                "kind": one.kind,
                "held_id": str(one.held_id),
                "reason": one.reason,
                "held_by": str(one.held_by),
                "held_at": one.held_at.isoformat(),
                "follows": None if one.follows is None else str(one.follows),
            }
            for one in found
        ]
    )


def reason_of(body: Mapping[str, Any]) -> str:
    """Raises Refused for none."""
    given = body.get("reason")
    said = " ".join(given.split()) if isinstance(given, str) else ""
    if not _LEAST_REASON <= len(said) <= _LONGEST_REASON or "\0" in said:
        raise Refused(BAD_REQUEST, f"reason: say why, in at most {_LONGEST_REASON} letters")
    return said


def client_id_of(body: Mapping[str, Any], field: str = "client") -> UUID:
    found = as_uuid(str(body.get(field)))
    if found is None:
        raise Refused(BAD_REQUEST, f"{field}: give the client's id")
    return found


async def _what(connection: Connection, body: Mapping[str, Any]) -> tuple[holds.Kind, UUID]:
    """Raises Refused."""
    if "client" in body:
        client_id = client_id_of(body)
        if not await holds.is_client(connection, client_id):
            raise Refused(NO_CLIENT)
        return "client", client_id
    bucket, name = bucket_of(body.get("bucket")), name_of(body.get("name"))
    current = await archive.find_current(connection, bucket, name)
    if current is not None:
        return "file", current[0].id
    removed = await archive.removed_at(connection, bucket, name, None, 1)
    if not removed:
        raise Refused(NO_OBJECT)
    return "file", removed[0].stored.id


async def _tell(desk: Desk, deed: Deed, error: Refused, policy: str) -> None:
    if error.refusal is NOT_ALLOWED:
        await write_refusal_down(desk.database, deed, "update", "", "", policy=policy)
