"""A credential's lanes, paused, held and opened without an incident, as on its page."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path

from mentalspace.api.acts import Actor, Done, How, Preflights, not_done, shown, title_of
from mentalspace.api.problem import not_found
from mentalspace.engine.db import Connection
from mentalspace.engine.remedy import (
    WITHOUT_INCIDENT,
    Named,
    act_on_credential,
    find_named,
    read_credential,
)
from mentalspace.engine.remedy.act import Order
from mentalspace.kernel.errors import Refused

routes = APIRouter(tags=["lanes"])

Room = Annotated[str, Path(max_length=100, description="Such as `email`.")]
Endpoint = Annotated[str, Path(max_length=100, description="The credential's own name there.")]
Act = Literal["pause", "resume", "hold"]


@routes.get(
    "/v1/lanes/{integration}/{endpoint}/acts",
    summary="What may be done with a credential's lanes, and what it would do",
    responses={404: {}},
)
async def acts(visit: Actor, integration: Room, endpoint: Endpoint) -> Preflights:
    """Changes nothing. The numbers are of this moment."""
    async with visit.services.database.as_oncall() as connection:
        named = await find_lane(connection, integration, endpoint)
        standing = await read_credential(connection, named.credential_id)
    if standing is None:
        raise not_found()
    return shown(visit, standing, WITHOUT_INCIDENT)


@routes.post(
    "/v1/lanes/{integration}/{endpoint}/acts/{name}",
    summary="Do it",
    responses={404: {}, 409: {}},
)
async def act(visit: Actor, integration: Room, endpoint: Endpoint, name: Act, how: How) -> Done:
    """Who and why stand in the timeline. Done already, or no longer possible, it is refused and
    nothing changes."""
    order, title = Order(visit.actor, how.reason, how.minutes), title_of(visit, integration)
    async with visit.services.database.as_oncall(visit.person.claims()) as connection:
        named = await find_lane(connection, integration, endpoint)
        try:
            done = await act_on_credential(connection, named.credential_id, name, order, title)
        except Refused as error:
            raise not_done(error) from error
    return Done(name=done.name, count=done.count, replay=done.replay)


async def find_lane(connection: Connection, integration: str, endpoint: str) -> Named:
    try:
        [named] = await find_named(connection, integration, endpoint)
    except Refused as error:
        raise not_found() from error
    return named
