"""A client's documents: listed, shown, added; on the console for staff, in the portal for a client.

A browser with scripts uploads to the storage surface piece by piece; one without sends a form here.
Either way the file is kept by the same hands, as whoever is signed in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

from starlette.responses import PlainTextResponse, Response

from mentalspace.console.document_words import copy_state, say, size, state, why
from mentalspace.console.door import HEADERS, Missing, Visit
from mentalspace.console.notice_page import statement
from mentalspace.console.queries.practice import find_client
from mentalspace.engine.db import Connection
from mentalspace.integrations.storage.form import Form
from mentalspace.integrations.storage.keep import Said, Target
from mentalspace.integrations.storage.model import (
    CLIENT_DOCUMENTS,
    CONSENTS,
    INSURANCE_CARDS,
    SHOWN,
    SIGNATURES,
    USUAL_LIMIT,
)
from mentalspace.integrations.storage.refusal import BAD_REQUEST, NO_OBJECT, Refused
from mentalspace.integrations.storage.routes.answer import drain
from mentalspace.integrations.storage.routes.ask import deed_for, desk_for
from mentalspace.integrations.storage.routes.carried import counting_failure
from mentalspace.integrations.storage.routes.download import give
from mentalspace.integrations.storage.routes.said import said_of
from mentalspace.integrations.storage.routes.upload import take
from mentalspace.integrations.storage.store import objects
from mentalspace.integrations.storage.store.documents import (
    MOST,
    Filed,
    documents_of,
    find_document,
    may_add,
)
from mentalspace.practice.colleague import names_of
from mentalspace.practice.identity import csrf_holds
from mentalspace.practice.saying.facts import Language, language_of

# Forms that carry a file begin so; what they carry is measured as it is taken in.
STREAMS = ("/documents/add/", "/portal/documents/add/")

BUCKETS = (CLIENT_DOCUMENTS, INSURANCE_CARDS, CONSENTS, SIGNATURES)
# What a form's address calls them; into the others other pages put something.
_SHELVES = {"documents": CLIENT_DOCUMENTS, "cards": INSURANCE_CARDS}
_SIDES = ("front", "back", "")
_LONGEST_NAME = 200
# A file in a frame of ours: whatever it is, it runs nothing and leads nowhere.
_CONTENT = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'self'; form-action 'none'",
    "referrer-policy": "no-referrer",
}
_DONE = frozenset({"stored", "marked", "unmarked", "all_marked", "none_marked"})


class _Stale(Refused):
    """The form was not sent from this session."""


async def documents(visit: Visit) -> Response:
    return await _page(visit)


async def document(visit: Visit) -> Response:
    """One of them, shown in the page where a browser can."""
    return await show_one(visit)


async def show_one(visit: Visit, refused: str | None = None) -> Response:
    of = await about(visit)
    found = await found_by(visit, of["id"])
    who = await names_of(visit.services.database, [found.added_by] if found.added_by else [])
    return await visit.show(
        "document.html",
        http=200 if refused is None else 422,
        of=of,
        done=_done(visit),
        refused=refused,
        may_mark=not of["is_client"],
        may_unmark=visit.person.role == "administrator",
        statement=statement(),
        document=_shown(found, visit, of, who),
        scanned=found.scanned,
        is_image=found.media_type.startswith("image/"),
        is_shown=found.media_type in SHOWN,
        content=f"{of['path']}/{found.id}/content",
        **_words(of["language"]),
    )


async def content(visit: Visit) -> Response:
    """Its bytes, to look at in a frame or to keep."""
    of = await about(visit)
    found = await found_by(visit, of["id"])
    deed = deed_for(visit.request, visit.person, "object.get_authenticated")
    database = desk_for(visit.request).database

    async def given() -> Response:
        async with counting_failure(database, deed, "down", found.bucket):
            return await give(visit.request, deed, (found.bucket, found.key))

    return await in_a_frame(given())


async def in_a_frame(giving: Awaitable[Response]) -> Response:
    """A file as a page may show it, or why it is not given, in words. Raises Missing."""
    try:
        answer = await giving
    except Refused as error:
        if error.refusal is NO_OBJECT:
            raise Missing from error
        answer = PlainTextResponse(str(error), error.refusal.true)
    answer.headers.update({**HEADERS, **_CONTENT})
    return answer


async def add(visit: Visit) -> Response:
    """A form with one file, as it comes; it is looked at before it is kept."""
    of = await about(visit)
    bucket = _SHELVES.get(str(visit.request.path_params["shelf"]))
    if bucket is None:
        raise Missing

    def said(form: Form) -> Said:
        if not csrf_holds(visit.person, form.fields.get("csrf")):
            raise _Stale(BAD_REQUEST)
        if not form.filename:
            raise _Empty(BAD_REQUEST)
        side = form.fields.get("side", "")
        metadata = _metadata(form.filename, side if side in _SIDES else "")
        return said_of(metadata, form.fields.get("label"))

    deed = deed_for(visit.request, visit.person, "object.upload")
    target = Target(bucket, f"{of['id']}/{uuid4()}", upsert=False)
    try:
        await take(visit.request, deed, target, said)
    except _Stale:
        return await _page(visit, refused="stale")
    except _Empty:
        return await _page(visit, refused="empty")
    except Refused as error:
        await drain(visit.request)
        return await _page(visit, refused=error.refusal.code)
    return visit.go(f"{of['path']}?done=stored")


class _Empty(Refused):
    """The form came without a file."""


async def _page(visit: Visit, refused: str | None = None) -> Response:
    of = await about(visit)
    async with visit.reading() as connection:
        found = await documents_of(connection, of["id"], BUCKETS)
        shelves = await _shelves(connection, of["id"])
    people = {each.added_by for each in found if each.added_by is not None}
    who = await names_of(visit.services.database, people)
    if visit.person.role != "client":
        await visit.note_reading("client.documents_read", of["id"])
    words = _words(of["language"])
    most = size(USUAL_LIMIT)
    return await visit.show(
        "documents.html",
        http=200 if refused is None else 422,
        of=of,
        documents=[_shown(each, visit, of, who) for each in found],
        most=MOST if len(found) == MOST else None,
        shelves=shelves,
        may_mark=visit.person.may("clients.write") and not of["is_client"],
        may_unmark=visit.person.role == "administrator",
        largest=most,
        done=_done(visit),
        refused=None if refused is None else why(refused, of["language"], most=most),
        **words,
    )


def _done(visit: Visit) -> str | None:
    return visit.query("done") if visit.query("done") in _DONE else None


async def about(visit: Visit) -> dict[str, Any]:
    """Whose documents, where their pages lie, and in which language they speak. Missing."""
    is_client = visit.person.role == "client"
    client_id = visit.person.client_id if is_client else visit.id()
    assert client_id is not None
    async with visit.reading() as connection:
        found = await find_client(connection, client_id)
    if found is None:
        raise Missing
    language: Language = language_of(found["language"]) if is_client else "en"
    path = "/portal/documents" if is_client else f"/clients/{client_id}/documents"
    form = "/portal/documents/add" if is_client else f"/documents/add/{client_id}"
    return {
        "id": client_id,
        "name": found["name"],
        "language": language,
        "path": path,
        "form": form,
        "is_client": is_client,
        "part2": found["part2"],
        "zone": found["timezone"] or found["practice_timezone"],
        "log_in": f"/login?next={quote(path)}",
    }


async def _shelves(connection: Connection, client_id: UUID) -> dict[str, dict[str, Any]]:
    """What this person may add, with what the bucket takes."""
    shelves = {}
    for shelf, bucket in _SHELVES.items():
        limits = await objects.limits_of(connection, bucket)
        if limits is not None and await may_add(connection, bucket, client_id):
            shelves[shelf] = {
                "bucket": bucket,
                "most": limits.size or USUAL_LIMIT,
                "types": limits.types or sorted(SHOWN),
            }
    return shelves


async def found_by(visit: Visit, client_id: UUID) -> Filed:
    async with visit.reading() as connection:
        found = await find_document(connection, client_id, BUCKETS, visit.id("document"))
    if found is None:
        raise Missing
    return found


def _shown(
    found: Filed, visit: Visit, of: Mapping[str, Any], who: Mapping[UUID, tuple[str, bool]]
) -> dict[str, Any]:
    language: Language = of["language"]
    kind = say(found.bucket, language)
    if found.side in ("front", "back"):
        kind += f", {say('front' if found.side == 'front' else 'rear', language).lower()}"
    return {
        "id": found.id,
        "called": found.called,
        "kind": kind,
        "size": size(found.size_bytes),
        "added_at": found.added_at,
        "added_by": _by(found, visit, language, who),
        "copied": copy_state(found.copy_status, found.scanned),
        "state": state(found.scanned, language),
        "label": found.label,
    }


def _by(
    found: Filed, visit: Visit, language: Language, who: Mapping[UUID, tuple[str, bool]]
) -> str | None:
    """Staff are named to staff; to a client they are the practice."""
    if found.added_by is None or found.added_by not in who:
        return None
    if found.added_by == visit.person.user_id:
        return say("you", language)
    name, is_client = who[found.added_by]
    if visit.person.role == "client":
        return None if is_client else say("practice", language)
    return say("client", language) if is_client else name


def _metadata(filename: str, side: str) -> dict[str, Any]:
    """What people call it: without the folders that some browsers send along."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    name = "".join(sign for sign in name if sign.isprintable())[:_LONGEST_NAME]
    return {"display_name": name, **({"side": side} if side else {})}


def _words(language: Language) -> dict[str, Any]:
    return {"say": lambda name, **given: say(name, language, **given)}
