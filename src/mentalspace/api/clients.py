"""Clients: the practice's list, a new one, and where one is reached."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mentalspace.api.fields import Body, Email, ExternalId, Language, Name, Out, Phone, Zone
from mentalspace.api.once import Key, once
from mentalspace.api.page import Cursor, Limit, Page, page, position
from mentalspace.api.problem import Fault, Problem, not_found
from mentalspace.api.visit import Visit, allowed
from mentalspace.engine.db import Connection
from mentalspace.integrations.sms.number import NotANumber
from mentalspace.kernel.errors import Refused
from mentalspace.kernel.phi import Phi
from mentalspace.workflows.appointment_texts import note_number
from mentalspace.workflows.client_mark import mark_client, may_unmark, unmark_client
from mentalspace.workflows.client_reach import change_reach
from mentalspace.workflows.reminder_rules import ClientUnknown

routes = APIRouter(tags=["clients"])

_COLUMNS = """
select id, external_id, name, email, phone, phone_e164, phone_kind, phone_problem, timezone,
       language, part2, created_at, updated_at from client
"""
_LIST = (
    _COLUMNS
    + """
 where ($1::text is null or external_id = $1)
   and ($2::timestamptz is null or (created_at, id) > ($2, $3::uuid))
 order by created_at, id limit $4
"""
)
_INSERT = """
insert into client (practice_id, external_id, name, email, phone, timezone, language, part2)
values ($1, $2, $3, $4, $5, $6, coalesce($7, 'en'), $8)
on conflict (practice_id, external_id) do nothing
returning id
"""


class NewClient(Body):
    external_id: ExternalId
    name: Name
    email: Email | None = None
    phone: Phone | None = None
    timezone: Zone | None = None
    language: Language | None = None
    part2: bool = Field(
        default=False,
        description="Treated for a substance use disorder, under 42 CFR Part 2: each of their"
        " documents is labelled as it comes.",
    )


class Reach(Body):
    """What is left out, or null, stays as it is. A number may be typed in any usual way."""

    email: Email | None = None
    phone: Phone | None = None
    part2: bool | None = Field(
        default=None,
        description="Whether each document that comes from now on is labelled under 42 CFR Part 2."
        " An administrator takes the mark off, with a `reason`; what is here stays labelled.",
    )
    reason: str = Field(default="", max_length=500, description="Kept in the audit.")


class Client(Out):
    """`phone` is as typed, `phone_e164` as it is dialled, `phone_kind` what is known of it. No text
    goes to a number with a `phone_problem`: it is a landline, or cannot be dialled."""

    id: UUID
    external_id: str
    name: str
    email: str | None
    phone: str | None
    phone_e164: str | None
    phone_kind: str | None
    phone_problem: str | None
    timezone: str | None
    language: str
    part2: bool
    created_at: datetime
    updated_at: datetime


Reader = Annotated[Visit, allowed("clients.read")]


@routes.get("/v1/clients", summary="The practice's clients, oldest first")
async def clients(
    visit: Reader, external_id: ExternalId | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[Client]:
    after_at, after_id = position(cursor)
    async with visit.reading() as connection:
        rows = await connection.fetch(_LIST, external_id, after_at, after_id, limit + 1)
        await visit.note(connection, "clients.listed")
    return page(rows, limit, "created_at", Client)


@routes.get("/v1/clients/{client_id}", summary="One client", responses={404: {}})
async def client(visit: Reader, client_id: UUID) -> Client:
    async with visit.reading() as connection:
        found = await _read(connection, client_id)
        await visit.note(connection, "client.read", client_id)
    return found


@routes.post(
    "/v1/clients",
    summary="A new client",
    status_code=201,
    response_model=Client,
    responses={409: {"description": "The practice has a client under that external_id."}},
)
async def create(
    request: Request,
    visit: Annotated[Visit, allowed("clients.write")],
    new: NewClient,
    key: Key = None,
) -> Response:
    async def work() -> Response:
        async with visit.reading() as connection:
            client_id = await connection.fetchval(
                _INSERT,
                visit.practice_id,
                new.external_id,
                new.name,
                new.email,
                new.phone,
                new.timezone,
                new.language,
                new.part2,
            )
            if client_id is None:
                text = "the practice has a client under that external_id"
                raise Problem(409, "client_exists", text)
            if new.phone is not None:
                await note_number(connection, client_id, new.phone)
            made = await _read(connection, client_id)
            await visit.note(connection, "client.made", client_id)
        headers = {"location": f"/v1/clients/{made.id}"}
        return Response(made.model_dump_json(), 201, headers, "application/json")

    return await once(visit, request, key, await request.body(), work)


@routes.patch(
    "/v1/clients/{client_id}",
    summary="Put an address or a number right, or the Part 2 mark",
    responses={404: {}},
)
async def put_right(
    visit: Annotated[Visit, allowed("clients.write")], client_id: UUID, to: Reach
) -> Client:
    """As on the page *Not reached*: what waits for them goes there, and the task that asked for it
    is done. A number that nobody could dial is refused; a landline is kept, and gets no texts."""
    if to.email is None and to.phone is None and to.part2 is None:
        raise Problem(422, "nothing_to_change", "give email, phone or part2")
    if to.part2 is False:
        _may_unmark(visit, to.reason)
    if to.email is not None or to.phone is not None:
        await _change_reach(visit, client_id, to)
    async with visit.reading() as connection:
        found = await _read(connection, client_id)
        if to.part2 is None:
            return found
        if to.part2:
            await mark_client(connection, visit.person, client_id)
        else:
            await unmark_client(connection, visit.person, client_id, to.reason)
        return await _read(connection, client_id)


def _may_unmark(visit: Visit, reason: str) -> None:
    """Before anything is changed."""
    try:
        may_unmark(visit.person, reason)
    except Refused as error:
        if error.code == "administrator_only":
            raise Problem(403, error.code, str(error)) from error
        fault = Fault("/body/reason", error.code, str(error), "say why the mark comes off")
        raise Problem(422, error.code, "see errors", errors=(fault,)) from error


async def _change_reach(visit: Visit, client_id: UUID, to: Reach) -> None:
    try:
        await change_reach(
            visit.services,
            visit.person.claims(),
            client_id,
            Phi(to.email) if to.email else None,
            Phi(to.phone) if to.phone else None,
        )
    except ClientUnknown as error:
        raise not_found() from error
    except NotANumber as error:
        fault = Fault("/body/phone", error.code, str(error), "write it like +1 212 555 0100")
        text = "nobody could dial this number; see errors"
        raise Problem(422, "number_wrong", text, errors=(fault,)) from error


async def _read(connection: Connection, client_id: UUID) -> Client:
    row = await connection.fetchrow(_COLUMNS + " where id = $1", client_id)
    if row is None:
        raise not_found()
    return Client(**dict(row))
