"""The Part 2 mark of a document, and of a client: put on by staff, taken off by administrators."""

from __future__ import annotations

from starlette.responses import Response

from mentalspace.console import words
from mentalspace.console.documents import about, found_by, show_one
from mentalspace.console.door import Forbidden, Missing, Visit
from mentalspace.integrations.storage.labelling import (
    LABELLING,
    UNLABELLING,
    label_file,
    take_label_off,
)
from mentalspace.integrations.storage.notice import PART2
from mentalspace.integrations.storage.refusal import NO_OBJECT, Refused
from mentalspace.integrations.storage.routes.ask import deed_for, desk_for
from mentalspace.kernel.errors import Refused as NotAllowed
from mentalspace.workflows import client_mark


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
        await client_mark.mark_client(connection, visit.person, of["id"])
    return visit.go(f"{of['path']}?done=all_marked")


async def unmark_client(visit: Visit) -> Response:
    """What is here stays marked."""
    of = await about(visit)
    try:
        reason = client_mark.may_unmark(visit.person, visit.field("reason"))
    except NotAllowed as error:
        raise Forbidden(f"Nothing was changed. {words.sentence(str(error))}") from error
    async with visit.reading() as connection:
        await client_mark.unmark_client(connection, visit.person, of["id"], reason)
    return visit.go(f"{of['path']}?done=none_marked")


async def _refused(visit: Visit, error: Refused) -> Response:
    """The page again, with the reason that there is. Missing for what went meanwhile."""
    if error.refusal is NO_OBJECT:
        raise Missing from error
    return await show_one(visit, refused=f"Nothing was changed. {error}.")
