"""Guarded links: used, listed and ended."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from urllib.parse import quote
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from mentalspace.integrations.storage.check import require_checked
from mentalspace.integrations.storage.desk import Desk
from mentalspace.integrations.storage.disk.reading import Stretch
from mentalspace.integrations.storage.keep import opening
from mentalspace.integrations.storage.link import Guarded
from mentalspace.integrations.storage.refusal import (
    BAD_REQUEST,
    BEING_CHECKED,
    LINK_BROKEN,
    LINK_ENDED,
    LINK_EXPIRED,
    LINK_FOR_OTHERS,
    NO_LINK,
    NO_OBJECT,
    NOT_STORED,
    SEALED,
    Refusal,
    Refused,
)
from mentalspace.integrations.storage.routes.ask import (
    deed_of,
    desk_for,
    known,
    place_of,
    visitor_of,
)
from mentalspace.integrations.storage.routes.download import give_once, open_bytes
from mentalspace.integrations.storage.store import links, objects
from mentalspace.integrations.storage.store.acting import (
    Deed,
    acting,
    write_down,
    write_link_refusal_down,
    write_refusal_down,
)
from mentalspace.integrations.storage.store.disclosures import write_disclosure_down
from mentalspace.integrations.storage.store.links import Open, Waiting
from mentalspace.integrations.storage.store.objects import Stored
from mentalspace.practice.person import Person

_REFUSALS: dict[str, Refusal] = {
    "expired": LINK_EXPIRED,
    "for_somebody_else": LINK_FOR_OTHERS,
    "file_gone": NO_OBJECT,
}
# Of a link that holds, to a file that is not given all the same.
_WHY: dict[Refusal, str] = {
    BEING_CHECKED: "being_checked",
    SEALED: "sealed",
    NO_OBJECT: "file_gone",
    NOT_STORED: "not_stored",
}


async def use(request: Request) -> Response:
    """POST, so that a scanner which opens every link of a mail uses none. The file as whoever made
    the link may read it, for whom it was made."""
    try:
        return await _use(request)
    except Refused:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        # A person's browser: the page says why, in words.
        return RedirectResponse(f"/d/{quote(request.query_params.get('token', ''))}", 303)


async def _use(request: Request) -> Response:
    token = request.query_params.get("token", "")
    if not token:
        raise Refused(LINK_BROKEN)
    desk = desk_for(request)
    guarded = desk.links.open_guarded(token, desk.clock.now())
    visitor = await _visitor(request, guarded.practice_id)
    if guarded.expired:
        raise await _closed(request, guarded, "expired", visitor)
    async with desk.database.as_worker(guarded.practice_id) as connection:
        waiting = await links.find(connection, guarded.id)
    if waiting is None:
        raise await _closed(request, guarded, "unknown", visitor)
    return await _open(request, guarded, waiting, visitor)


async def list_open(request: Request) -> Response:
    """The links to a file that still work: one's own; an administrator sees everybody's."""
    deed = await deed_of(request, "object.sign")
    desk = desk_for(request)
    found = await _seen(request, deed)
    async with acting(desk.database, deed) as connection:
        open_now = await links.list_open(connection, found.id)
        await write_down(
            desk.database, connection, deed, "document_links_listed",
            subject=found.id, bucket=found.bucket_id,
        )  # fmt: skip
    return JSONResponse([_row(one) for one in open_now])


async def end(request: Request) -> Response:
    """End a link, by whoever made it or an administrator. Twice is no mistake."""
    deed = await deed_of(request, "object.sign")
    try:
        link_id = UUID(request.path_params["id"])
    except ValueError as error:
        raise Refused(BAD_REQUEST, "The link's id is none") from error
    desk = desk_for(request)
    async with acting(desk.database, deed) as connection:
        ended = await links.end(connection, link_id)
        if ended is None:
            raise Refused(NO_LINK)
        is_new, file_id = ended
        if is_new:
            await write_down(
                desk.database, connection, deed, "document_link_revoked",
                subject=file_id, link=str(link_id),
            )  # fmt: skip
    return JSONResponse({"message": "The link is ended"})


async def end_all(request: Request) -> Response:
    """End every link to a file: one's own; an administrator ends everybody's."""
    deed = await deed_of(request, "object.sign")
    desk = desk_for(request)
    found = await _seen(request, deed)
    async with acting(desk.database, deed) as connection:
        ended = await links.end_all(connection, found.id)
        for link_id in ended:
            await write_down(
                desk.database, connection, deed, "document_link_revoked",
                subject=found.id, link=str(link_id),
            )  # fmt: skip
    return JSONResponse({"ended": len(ended)})


async def _open(
    request: Request, guarded: Guarded, waiting: Waiting, visitor: Person | None
) -> Response:
    try:
        person = await known(request, waiting.maker)
    except Refused as error:
        raise await _closed(request, guarded, "maker_gone", visitor) from error
    deed = Deed(person, "object.get_signed", "POST", request.url.path, guarded.id, visitor)
    try:
        state, given = await _take(request, deed, waiting, visitor)
    except Refused as error:
        why = _WHY.get(error.refusal, "not_given")
        await _closed(request, guarded, why, visitor, waiting.file_id)
        raise
    if given is None:
        raise await _closed(request, guarded, state, visitor, waiting.file_id)
    return give_once(request, deed, *given)


async def _take(
    request: Request, deed: Deed, waiting: Waiting, visitor: Person | None
) -> tuple[str, tuple[Stored, Stretch] | None]:
    """The bytes are at hand before the link is used: a disk that fails uses none up.
    They are opened between two transactions, for neither may wait for a disk."""
    desk, link_id = desk_for(request), deed.link
    assert link_id is not None
    async with acting(desk.database, deed) as connection:
        found = await objects.find_by_id(connection, waiting.file_id)
        if found is None:
            return "file_gone", None
        state: str = await links.state_of(connection, link_id, visitor)
        if state != "open":
            return state, None
        require_checked(found)
        await desk.database.go_on_as_worker(connection, deed.practice_id)
        key = await opening(desk, connection, deed.practice_id, found)
    file = await open_bytes(request, deed, found, key, 0, found.size)
    with ExitStack() as unless_given:
        unless_given.callback(file.source.close)
        state = await _use_up(desk, deed, waiting, visitor, found)
        if state != "open":
            return state, None
        unless_given.pop_all()
    return state, (found, file)


async def _use_up(
    desk: Desk, deed: Deed, waiting: Waiting, visitor: Person | None, opened: Stored
) -> str:
    """Use the link for the version that was opened, and write it down; how the link stood."""
    assert deed.link is not None
    async with acting(desk.database, deed) as connection:
        found = await objects.find_by_id(connection, waiting.file_id)
        if found is None:
            return "file_gone"
        if found.version != opened.version:
            raise Refused(NOT_STORED)
        state: str = await links.use(connection, deed.link, visitor)
        if state == "open":
            await write_down(
                desk.database, connection, deed, "document_read",
                subject=found.id, bucket=found.bucket_id,
            )  # fmt: skip
            await write_disclosure_down(desk.database, connection, deed, found)
        return state


async def _visitor(request: Request, practice_id: UUID) -> Person | None:
    """Whoever is signed in at another practice is nobody at this one."""
    visitor = await visitor_of(request)
    return visitor if visitor is not None and visitor.practice_id == practice_id else None


async def _closed(
    request: Request,
    guarded: Guarded,
    state: str,
    visitor: Person | None,
    file_id: UUID | None = None,
) -> Refused:
    await write_link_refusal_down(
        desk_for(request).database, guarded.practice_id, guarded.id, state, visitor, subject=file_id
    )
    return Refused(_REFUSALS.get(state, LINK_ENDED))


async def _seen(request: Request, deed: Deed) -> Stored:
    """Raises Refused."""
    desk, place = desk_for(request), place_of(request)
    async with acting(desk.database, deed) as connection:
        found = await objects.find(connection, *place)
    if found is None:
        await write_refusal_down(desk.database, deed, "select", *place)
        raise Refused(NO_OBJECT)
    return found


def _row(one: Open) -> dict[str, Any]:
    audience = None
    if one.for_user is not None or one.for_role is not None:
        kind = "role" if one.for_user is None else "user"
        audience = {kind: one.for_role or str(one.for_user)}
    return {
        "id": str(one.id),
        "made_by": str(one.maker_id),
        "guarded": one.guarded,
        "oneTime": one.one_time,
        "audience": audience,
        "purpose": one.purpose,
        "recipient": one.recipient,
        "uses": one.uses if one.guarded else None,
        "created_at": one.created_at.isoformat(),
        "expires_at": one.expires_at.isoformat(),
    }
