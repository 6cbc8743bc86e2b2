"""The Part 2 mark of a document, and of a client: put on by staff, taken off by administrators."""

from __future__ import annotations

from uuid import UUID

from starlette.responses import Response

from mentalspace.console.documents import about, found_by, show_one
from mentalspace.console.door import Forbidden, Missing, Visit
from mentalspace.engine.db import Connection
from mentalspace.integrations.storage.labelling import (
    LABELLING,
    UNLABELLING,
    label_file,
    reason_of,
    take_label_off,
)
from mentalspace.integrations.storage.notice import PART2
from mentalspace.integrations.storage.refusal import NO_OBJECT, Refused
from mentalspace.integrations.storage.routes.ask import deed_for, desk_for
from mentalspace.practice.audit import note

_MARK = "update client set part2 = true where id = $1 and not part2 returning true"
_UNMARK = "update client set part2 = false where id = $1 and part2 returning true"


async def mark(visit: Visit) -> Response:
    of = await about(visit)
    found = await found_by(visit, of["id"])
    deed, desk = deed_for(visit.request, visit.person, LABELLING), desk_for(visit.request)
    try:
        await label_file(desk, deed, (found.bucket, found.key), PART2)
    except Refused as error:
        return await _refused(visit, error)
    return visit.go(f"{of['path']}/{found.id}?done=marked")


async def unmark(visit: Visit) -> Response:
    of = await about(visit)
    found = await found_by(visit, of["id"])
    deed, desk = deed_for(visit.request, visit.person, UNLABELLING), desk_for(visit.request)
    try:
        await take_label_off(desk, deed, (found.bucket, found.key), visit.field("reason"))
    except Refused as error:
        return await _refused(visit, error)
    return visit.go(f"{of['path']}/{found.id}?done=unmarked")


async def mark_client(visit: Visit) -> Response:
    """Each document that comes for the client from now on."""
    of = await about(visit)
    async with visit.reading() as connection:
        if await connection.fetchval(_MARK, of["id"]):
            await _note(connection, visit, "client.part2_marked", of["id"])
    return visit.go(f"{of['path']}?done=all_marked")


async def unmark_client(visit: Visit) -> Response:
    """What is here stays marked."""
    of = await about(visit)
    if visit.person.role != "administrator":
        raise Forbidden("Only an administrator takes this mark off.")
    try:
        reason = reason_of(visit.field("reason"))
    except Refused as error:
        raise Forbidden(f"Nothing was changed. {error}.") from error
    async with visit.reading() as connection:
        if await connection.fetchval(_UNMARK, of["id"]):
            await _note(connection, visit, "client.part2_unmarked", of["id"], reason=reason)
    return visit.go(f"{of['path']}?done=none_marked")


async def _note(
    connection: Connection, visit: Visit, action: str, client_id: UUID, **data: str
) -> None:
    await note(
        connection, str(visit.person.user_id), action, practice_id=visit.person.practice_id,
        subject=client_id, role=visit.person.role, **data,
    )  # fmt: skip


async def _refused(visit: Visit, error: Refused) -> Response:
    """The page again, with the reason that there is. Missing for what went meanwhile."""
    if error.refusal is NO_OBJECT:
        raise Missing from error
    return await show_one(visit, refused=f"Nothing was changed. {error}.")
