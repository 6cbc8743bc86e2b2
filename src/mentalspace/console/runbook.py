"""Runbook pages, drawn from the same data the engine acts on."""

from __future__ import annotations

from datetime import date

from markupsafe import Markup
from starlette.responses import Response

from mentalspace.console.door import Missing, Visit
from mentalspace.engine.proof import last_proven, standing
from mentalspace.engine.runbook import case_html, issue_html


async def runbook(visit: Visit) -> Response:
    books = visit.services.runbooks
    return await visit.show(
        "runbook.html",
        rooms=books.rooms,
        house=books.house,
        rungs=list(books.escalation.rungs.values()),
        today=_today(visit),
    )


async def case(visit: Visit) -> Response:
    try:
        found = visit.services.runbooks.case(str(visit.request.path_params["id"]))
    except LookupError as error:
        raise Missing from error
    async with visit.services.database.as_oncall() as connection:
        proof = await last_proven(connection, found.id)
    room = visit.services.runbooks.room(found.integration)
    return await visit.show(
        "runbook_entry.html",
        entry=found,
        page=Markup(case_html(found)),  # noqa: S704 (it escapes its prose)
        room=room,
        proven=standing(visit.services.runbooks, found.id, proof, visit.services.clock.now()),
        issues=[issue for issue in room.issues if found.id in issue.cases],
        overdue=found.review_overdue(_today(visit)),
    )


async def issue(visit: Visit) -> Response:
    wanted = str(visit.request.path_params["id"])
    books = visit.services.runbooks
    pages = [(issue, room) for room in books.rooms for issue in room.issues]
    for found, room in [*pages, *((issue, None) for issue in books.house)]:
        if found.id == wanted:
            return await visit.show(
                "runbook_entry.html",
                entry=found,
                page=Markup(issue_html(found)),  # noqa: S704 (it escapes its prose)
                room=room,
                proven=None,
                issues=[],
                overdue=_today(visit) > found.next_review,
            )
    raise Missing


def _today(visit: Visit) -> date:
    return visit.services.clock.now().date()
