"""Clients: the practice's list, and a new one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from mentalspace.api.fields import Body, Email, ExternalId, Language, Name, Out, Phone, Zone
from mentalspace.api.once import Key, once
from mentalspace.api.page import Cursor, Limit, Page, page, position
from mentalspace.api.problem import Problem, not_found
from mentalspace.api.visit import Visit, allowed
from mentalspace.workflows.appointment_texts import note_number

routes = APIRouter(tags=["clients"])

_COLUMNS = """
select id, external_id, name, email, phone, timezone, language, created_at, updated_at from client
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
insert into client (practice_id, external_id, name, email, phone, timezone, language)
values ($1, $2, $3, $4, $5, $6, coalesce($7, 'en'))
on conflict (practice_id, external_id) do nothing
returning id, external_id, name, email, phone, timezone, language, created_at, updated_at
"""


class NewClient(Body):
    external_id: ExternalId
    name: Name
    email: Email | None = None
    phone: Phone | None = None
    timezone: Zone | None = None
    language: Language | None = None


class Client(Out):
    id: UUID
    external_id: str
    name: str
    email: str | None
    phone: str | None
    timezone: str | None
    language: str
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
        row = await connection.fetchrow(_COLUMNS + " where id = $1", client_id)
        await visit.note(connection, "client.read", client_id)
    if row is None:
        raise not_found()
    return Client(**dict(row))


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
            row = await connection.fetchrow(
                _INSERT,
                visit.practice_id,
                new.external_id,
                new.name,
                new.email,
                new.phone,
                new.timezone,
                new.language,
            )
            if row is None:
                text = "the practice has a client under that external_id"
                raise Problem(409, "client_exists", text)
            if new.phone is not None:
                await note_number(connection, row["id"], new.phone)
            await visit.note(connection, "client.made", row["id"])
        made = Client(**dict(row))
        headers = {"location": f"/v1/clients/{made.id}"}
        return Response(made.model_dump_json(), 201, headers, "application/json")

    return await once(visit, request, key, await request.body(), work)
