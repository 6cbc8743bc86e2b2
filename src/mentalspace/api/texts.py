"""Texts: a client's conversation, and a person's reply in it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from mentalspace.api.fields import Body, Out
from mentalspace.api.once import Key, once
from mentalspace.api.page import Cursor, Limit, Page, page, position
from mentalspace.api.problem import Problem, not_found
from mentalspace.api.visit import Visit, allowed
from mentalspace.workflows.staff_reply import CannotReply, reply
from mentalspace.workflows.threads import Line, Thread, read_thread_of

routes = APIRouter(tags=["texts"])


class TextLine(Out):
    """`kind` is what a text of ours was for, or what one of theirs was taken for; `unclear` waits
    for a person. `status` is our delivery's: `accepted` is not yet known to have arrived. `body` is
    null for a log-in code, and for what is no longer kept."""

    id: UUID
    at: datetime
    direction: Literal["in", "out"]
    kind: str
    status: str | None
    body: str | None


class Reply(Body):
    """What is texted. It may lie on a lock screen: it is refused with what must not be there."""

    body: str


class Written(Out):
    """`id` is the delivery's: see `GET /v1/deliveries/{id}`."""

    id: UUID


@routes.get(
    "/v1/clients/{client_id}/texts",
    summary="What was texted with a client, the newest first",
    responses={404: {}},
)
async def texts(
    visit: Annotated[Visit, allowed("texts.read")],
    client_id: UUID,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TextLine]:
    """The newest 300. Reading marks nothing as read."""
    before_at, before_id = position(cursor)
    thread = await _thread(visit, client_id)
    async with visit.reading() as connection:
        await visit.note(connection, "texts.read", client_id)
    lines = sorted(thread.lines, key=lambda line: (line.at, line.id), reverse=True)
    if before_at is not None and before_id is not None:
        lines = [line for line in lines if (line.at, line.id) < (before_at, before_id)]
    return page([_row(line) for line in lines[: limit + 1]], limit, "at", TextLine)


@routes.post(
    "/v1/clients/{client_id}/texts",
    summary="Text a client",
    status_code=201,
    response_model=Written,
    responses={
        404: {},
        409: {"description": "They cannot be texted, or want no texts; the code says which."},
    },
)
async def write(
    request: Request,
    visit: Annotated[Visit, allowed("texts.write")],
    client_id: UUID,
    new: Reply,
    key: Key = None,
) -> Response:
    """At any hour if they have texted within a day, else when their hours let it. Tasks to answer
    them are done by it."""

    async def work() -> Response:
        thread = await _thread(visit, client_id)
        try:
            written = await reply(
                visit.services,
                visit.person.claims(),
                thread,
                new.body,
                once=uuid4().hex,
                traceparent=visit.traceparent,
            )
        except CannotReply as error:
            http = 422 if error.code in ("empty", "too_long", "phi") else 409
            raise Problem(http, error.code, str(error)) from error
        made = Written(id=written)
        headers = {"location": f"/v1/deliveries/{made.id}"}
        return Response(made.model_dump_json(), 201, headers, "application/json")

    return await once(visit, request, key, await request.body(), work)


async def _thread(visit: Visit, client_id: UUID) -> Thread:
    thread = await read_thread_of(visit.services, visit.practice_id, client_id)
    if thread is None:
        raise not_found()
    return thread


def _row(line: Line) -> dict[str, object]:
    return {
        "id": line.id,
        "at": line.at,
        "direction": "in" if line.incoming else "out",
        "kind": line.kind,
        "status": line.status,
        "body": None if line.body is None else line.body.reveal(),
    }
