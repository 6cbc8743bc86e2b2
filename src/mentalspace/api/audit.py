"""The audit, searched: an administrator sees their practice's, on-call everybody's."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from mentalspace.api.fields import Instant, Out
from mentalspace.api.page import Limit, Page
from mentalspace.api.problem import Fault, Problem
from mentalspace.api.visit import Visit, allowed
from mentalspace.practice.audit_search import Entry, Search, note_search, search_audit

routes = APIRouter(tags=["audit"])


class AuditEntry(Out):
    """`actor` is a person's id or a word, such as `client by link`; `subject` the id of what it was
    about; `seq` its place in its practice's chain. On-call sees less of `data`."""

    id: int
    at: datetime
    practice_id: UUID | None
    seq: int
    actor: str
    action: str
    subject: str | None
    data: dict[str, Any]


Plain = Annotated[str, Query(max_length=80, pattern=r"^[A-Za-z0-9_.:@ -]*$")]
# Ids only rise, so that the last one of a page says where the next begins.
After = Annotated[
    str | None, Query(pattern=r"^[0-9]{1,18}$", description="`next` of the page before.")
]


@routes.get("/v1/audit", summary="Who read or did what, the newest first")
async def audit(
    visit: Annotated[Visit, allowed("audit.read")],
    practice_id: UUID | None = None,
    actor: Plain = "",
    action: Plain = "",
    subject: UUID | None = None,
    since: Instant | None = None,
    until: Annotated[Instant | None, Query(description="The instant after it.")] = None,
    limit: Limit = 50,
    cursor: After = None,
) -> Page[AuditEntry]:
    """Reading it is written down as well."""
    if since is not None and until is not None and until <= since:
        fault = Fault("/query/until", "range_empty", "it is not after since", "give a later one")
        text = "something in the request is not right; see errors"
        raise Problem(422, "request_invalid", text, errors=(fault,))
    search = Search(
        practice_id,
        actor,
        action,
        subject,
        since,
        until,
        before=None if cursor is None else int(cursor),
    )
    async with visit.reading() as connection:
        entries = await search_audit(connection, search, limit + 1)
        await note_search(
            connection,
            str(visit.person.user_id),
            "audit.read",
            search,
            of=visit.person.practice_id,
        )
    following = str(entries[limit - 1].id) if len(entries) > limit else None
    return Page(items=[_shown(entry) for entry in entries[:limit]], next=following)


def _shown(entry: Entry) -> AuditEntry:
    return AuditEntry(
        id=entry.id,
        at=entry.at,
        practice_id=entry.practice_id,
        seq=entry.seq,
        actor=entry.actor,
        action=entry.action,
        subject=entry.subject,
        data=dict(entry.data),
    )
