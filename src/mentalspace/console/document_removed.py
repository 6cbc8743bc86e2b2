"""What was deleted or replaced of a client's documents: found again, looked at, and restored.

One page for all of a client, and the same page of one document alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

from starlette.responses import Response

from mentalspace.console.document_words import say, size
from mentalspace.console.documents import BUCKETS, about, in_a_frame
from mentalspace.console.door import Missing, Visit
from mentalspace.integrations.storage.check import is_readable
from mentalspace.integrations.storage.refusal import NO_OBJECT, NOT_ALLOWED, Refused
from mentalspace.integrations.storage.restore import restore as restore_version
from mentalspace.integrations.storage.routes.ask import deed_for, desk_for
from mentalspace.integrations.storage.routes.versions import give_version
from mentalspace.integrations.storage.store import archive
from mentalspace.integrations.storage.store.archive import Removed
from mentalspace.integrations.storage.store.documents import find_document
from mentalspace.practice.colleague import names_of

MOST = 500


async def removed(visit: Visit) -> Response:
    return await _page(visit)


async def content(visit: Visit) -> Response:
    """A removed version's bytes, to look at or to keep."""
    await about(visit)
    deed = deed_for(visit.request, visit.person, "object.get_authenticated")
    return await in_a_frame(give_version(visit.request, deed, str(visit.id("version"))))


async def restore(visit: Visit) -> Response:
    of = await about(visit)
    deed = deed_for(visit.request, visit.person, "object.restore")
    try:
        version = str(visit.id("version"))
        file_id, _, _ = await restore_version(desk_for(visit.request), deed, version)
    except Refused as error:
        return await _page(visit, refused=_why(error))
    return visit.go(f"{of['path']}/removed?of={file_id}&done=restored")


async def _page(visit: Visit, refused: str | None = None) -> Response:
    of = await about(visit)
    asked = visit.query("of")
    async with visit.reading() as connection:
        document = None
        if asked:
            document = await find_document(connection, of["id"], BUCKETS, _id(asked))
            if document is None:
                raise Missing
        found = await archive.removed_of(
            connection, of["id"], BUCKETS, None if document is None else document.id, MOST
        )
    people = {one.removed_by for one, _ in found if one.removed_by is not None}
    who = await names_of(visit.services.database, people)
    await visit.note_reading("client.removed_documents_read", of["id"])
    rows = [_row(one, is_there, visit, of, who) for one, is_there in found]
    return await visit.show(
        "document_removed.html",
        http=200 if refused is None else 422,
        of=of,
        document=document,
        deleted=[row for row in rows if not row["is_there"]],
        older=[row for row in rows if row["is_there"]],
        most=MOST if len(rows) == MOST else None,
        restored=visit.query("done") == "restored",
        refused=refused,
        say=lambda name, **given: say(name, of["language"], **given),
    )


def _row(
    one: Removed, is_there: bool, visit: Visit, of: Mapping[str, Any],
    who: Mapping[UUID, tuple[str, bool]],
) -> dict[str, Any]:  # fmt: skip
    stored = one.stored
    return {
        "version": stored.version,
        "called": stored.called,
        "kind": say(stored.bucket_id, "en"),
        "size": size(stored.size),
        "what": "Deleted" if one.why == "deleted" else "Replaced",
        "at": one.archived_at,
        "by": _by(one, visit, who),
        "until": one.purge_at,
        "is_held": one.is_held,
        "is_there": is_there,
        "is_readable": is_readable(stored),
        "is_sealed": stored.scanned == "infected",
        "label": stored.label,
        "content": f"{of['path']}/removed/{quote(stored.version)}/content",
        "restore": f"{of['path']}/removed/{quote(stored.version)}/restore",
    }


def _by(one: Removed, visit: Visit, who: Mapping[UUID, tuple[str, bool]]) -> str | None:
    if one.removed_by is None or one.removed_by not in who:
        return None
    if one.removed_by == visit.person.user_id:
        return "you"
    name, is_client = who[one.removed_by]
    return "the client" if is_client else name


def _why(error: Refused) -> str:
    if error.refusal is NOT_ALLOWED:
        return "Your role may look at this document and not put it back."
    if error.refusal is NO_OBJECT:
        return "That version is not there any more."
    return f"{error}."


def _id(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError as error:
        raise Missing from error
