"""What a held message or webhook says, behind glass: a reason first, then a quarter of an hour."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from starlette.responses import Response

from mentalspace.console.door import Forbidden, Missing, Visit
from mentalspace.console.payload_parts import parts_of
from mentalspace.console.queries.payload import find_payload
from mentalspace.engine.secrets import SealBroken
from mentalspace.kernel.errors import Refused
from mentalspace.practice.break_glass import (
    LASTS,
    LONGEST_REASON,
    SHORTEST_REASON,
    What,
    break_glass,
    read_opened,
    standing_openings,
)

_NEVER = (
    "Only what is held for a person is opened, and never what holds the key to somebody’s account:"
    " a new password, an invitation, a code."
)


async def payload(visit: Visit) -> Response:
    """What it says while an opening of this person's stands; otherwise the form that asks why.

    A refresh shows nothing: it would stand in the audit as another look.
    """
    what, subject, found = await _about(visit)
    if visit.is_fragment:
        return await _refreshed(visit, what, subject, found)
    services = visit.services
    try:
        opened = await read_opened(services.database, services.vault, visit.person, what, subject)
    except SealBroken as error:
        return await _show(visit, what, found, problem=str(error))
    if opened is None:
        return await _form(visit, what, found)
    parts = parts_of(opened.body.reveal(), opened.query.reveal(), services.settings.site_url)
    return await _show(visit, what, found, parts=parts, until_at=opened.until_at)


async def open_it(visit: Visit) -> Response:
    what, subject, found = await _about(visit)
    reason = visit.field("reason")
    try:
        opened = await break_glass(visit.services.database, visit.person, what, subject, reason)
    except Refused as error:
        if error.code != "no_reason":
            raise
        return await _form(visit, what, found, problem=str(error), reason=reason, http=422)
    if not opened:
        raise Forbidden(_NEVER)
    return visit.go(f"/payloads/{what}/{subject}")


async def _refreshed(visit: Visit, what: What, subject: UUID, found: Any) -> Response:
    """Nothing while it stands, so that what is shown stays; then that it is over."""
    async with visit.reading() as connection:
        standing = any(
            each.subject == subject and each.opened_by == visit.person.user_id
            for each in await standing_openings(connection)
        )
    return await _show(visit, what, found, ended=not standing)


async def _form(visit: Visit, what: What, found: Any, **values: Any) -> Response:
    if not found["may_open"]:
        raise Forbidden(_NEVER)
    return await _show(visit, what, found, asks=True, **values)


async def _show(
    visit: Visit, what: What, found: Any, *, http: int = 200, **values: Any
) -> Response:
    empty: dict[str, Any] = {
        "parts": None,
        "until_at": None,
        "asks": False,
        "ended": False,
        "problem": None,
        "reason": "",
    }
    return await visit.show(
        "payload.html",
        http=http,
        what=what,
        found=found,
        **(empty | values),
        minutes=int(LASTS.total_seconds() // 60),
        shortest=SHORTEST_REASON,
        longest=LONGEST_REASON,
    )


async def _about(visit: Visit) -> tuple[What, UUID, Any]:
    what, subject = str(visit.request.path_params["what"]), visit.id()
    if what not in ("message", "webhook"):
        raise Missing
    async with visit.reading() as connection:
        found = await find_payload(connection, what, subject)
    if found is None:
        raise Missing
    return cast(What, what), subject, found
