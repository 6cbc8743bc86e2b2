"""The Part 2 mark on a document's page: put on by staff, taken off by an administrator."""

from __future__ import annotations

from starlette.responses import Response

from mentalspace.console.documents import about, found_by, show_one
from mentalspace.console.door import Missing, Visit
from mentalspace.integrations.storage.labelling import (
    LABELLING,
    UNLABELLING,
    label_file,
    take_label_off,
)
from mentalspace.integrations.storage.notice import PART2
from mentalspace.integrations.storage.refusal import NO_OBJECT, Refused
from mentalspace.integrations.storage.routes.ask import deed_for, desk_for


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


async def _refused(visit: Visit, error: Refused) -> Response:
    """The page again, with the reason that there is. Missing for what went meanwhile."""
    if error.refusal is NO_OBJECT:
        raise Missing from error
    return await show_one(visit, refused=f"Nothing was changed. {error}.")
