"""Conversations by text: the list, one with a client or a number, and writing back."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from uuid import UUID

from starlette.responses import Response

from mentalspace.console.door import Missing, Visit
from mentalspace.console.words import State
from mentalspace.practice.text_message import mark_read
from mentalspace.workflows.staff_reply import CannotReply, reply, why_not
from mentalspace.workflows.threads import (
    MOST_LINES,
    MOST_THREADS,
    Line,
    Thread,
    read_nameless,
    read_thread_of,
    read_threads,
)

_KEY = re.compile(r"[0-9a-f]{32}")
_ONCE = re.compile(r"[A-Za-z0-9_-]{16,40}")

# That a carrier took a text says nothing of the telephone.
_OURS: Mapping[str, State] = {
    "pending":   State("Waiting",         "idle", "not sent yet"),
    "due":       State("Waiting",         "idle", "about to be sent"),
    "sending":   State("Sending",         "info", "on its way out"),
    "unknown":   State("Unknown",         "warn", "perhaps sent; the provider is being asked"),
    "held":      State("Held",            "warn", "a person must decide; see the message"),
    "accepted":  State("Sent",            "info", "the carrier has it; not known to have arrived"),
    "delivered": State("Delivered",       "ok",   "it is on their telephone"),
    "bounced":   State("Did not arrive",  "bad",  "the carrier could not bring it"),
    "refused":   State("Not sent",        "bad",  "it cannot be sent as it is"),
    "failed":    State("Did not arrive",  "bad",  "nothing more is tried"),
    "cancelled": State("Cancelled",       "idle", "no longer needed"),
    "expired":   State("Not sent",        "warn", "its time had passed"),
}  # fmt: skip
_THEIRS: Mapping[str, State] = {
    "confirmed":      State("Confirmed",     "ok",   "their appointment; they were answered"),
    "cancelled":      State("Cancelled",     "warn", "their appointment; they were answered"),
    "too_late":       State("Too late",      "warn", "to cancel by text: call them"),
    "unclear":        State("To read",       "info", "a person must answer"),
    "unknown_number": State("Unknown number", "info", "of no client; nothing was answered"),
    "stop":           State("No more texts", "bad",  "they asked for no more"),
    "start":          State("Texts again",   "ok",   "they asked for texts again"),
    "help":           State("Help",          "idle", "they were told who writes"),
}  # fmt: skip

_READ = State("Read", "idle", "somebody here has looked at it")


async def threads(visit: Visit) -> Response:
    rows = await read_threads(visit.services, _practice(visit))
    await visit.note_reading("texts.listed")
    return await visit.show("texts.html", threads=rows, meant=_taken_for, most=MOST_THREADS)


async def of_client(visit: Visit) -> Response:
    return await _page(visit, await _of_client(visit))


async def nameless(visit: Visit) -> Response:
    return await _page(visit, await _nameless(visit))


async def reply_to_client(visit: Visit) -> Response:
    return await _reply(visit, await _of_client(visit))


async def reply_to_nameless(visit: Visit) -> Response:
    return await _reply(visit, await _nameless(visit))


async def _of_client(visit: Visit) -> Thread:
    thread = await read_thread_of(visit.services, _practice(visit), visit.id())
    if thread is None:
        raise Missing
    return thread


async def _nameless(visit: Visit) -> Thread:
    key = str(visit.request.path_params["key"])
    thread = None
    if _KEY.fullmatch(key):
        thread = await read_nameless(visit.services, _practice(visit), key)
    if thread is None:
        raise Missing
    return thread


async def _page(
    visit: Visit, thread: Thread, *, problem: str | None = None, body: str = ""
) -> Response:
    """Whoever opens it has read it; a page that refreshes itself has not."""
    async with visit.reading() as connection:
        refused = await why_not(connection, thread)
        if not visit.is_fragment:
            user_id = UUID(str(visit.person.user_id))
            await mark_read(connection, thread.client_id, thread.key, user_id)
    await visit.note_reading("texts.read", thread.client_id)
    return await visit.show(
        "thread.html",
        http=200 if problem is None else 422,
        thread=thread,
        lines=[(line, _state(line)) for line in thread.lines],
        address=_address(thread),
        refused=None if refused is None else str(refused),
        may_write=visit.person.may("texts.write"),
        once=secrets.token_urlsafe(16),
        most=MOST_LINES,
        problem=problem,
        body=body,
        done=visit.query("done") == "sent",
    )


async def _reply(visit: Visit, thread: Thread) -> Response:
    body, once = visit.field("body").replace("\r\n", "\n"), visit.field("once")
    if not _ONCE.fullmatch(once):
        return await _page(visit, thread, problem="The page was too old. Send it again.", body=body)
    try:
        await reply(visit.services, visit.person.claims(), thread, body, once=once)
    except CannotReply as error:
        return await _page(visit, thread, problem=str(error), body=body)
    return visit.go(f"{_address(thread)}?done=sent")


def _state(line: Line) -> State:
    if line.incoming:
        return _taken_for(line.kind, line.unread)
    return _OURS[line.status or "pending"]


def _taken_for(meaning: str, unread: object) -> State:
    return _READ if meaning == "unclear" and not unread else _THEIRS[meaning]


def _address(thread: Thread) -> str:
    if thread.client_id is None:
        return f"/texts/{thread.key}"
    return f"/clients/{thread.client_id}/texts"


def _practice(visit: Visit) -> UUID:
    assert visit.person.practice_id is not None  # on-call has no permission that leads here
    return visit.person.practice_id
