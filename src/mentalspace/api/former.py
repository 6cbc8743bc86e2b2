"""A credential's former secret: what bringing it back would do, and doing it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from mentalspace.api.acts import Actor, not_done
from mentalspace.api.fields import Body, Out
from mentalspace.api.lanes import Endpoint, Room, find_lane
from mentalspace.api.problem import not_found
from mentalspace.api.visit import Visit
from mentalspace.kernel.errors import Refused
from mentalspace.workflows.former_secret import Look, Wish, bring_back, look_at_former

routes = APIRouter(tags=["lanes"])


class Former(Out):
    """What bringing it back would do now. `refusal` says why it cannot be done, and then `would` is
    empty. `well`: its provider was asked with it just now, and answers it well."""

    version: int
    refusal: str | None
    would: list[str]
    numbers: dict[str, int]
    well: bool
    entered_at: datetime | None
    entered_by: str | None
    forget_at: datetime | None


class BringBack(Body):
    """`version` as it was read: if another was entered since, nothing is done. `reason` is kept in
    the timeline and names no client. `untried` takes what its provider does not answer well."""

    version: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
    reason: Annotated[str, Field(min_length=1, max_length=200)]
    untried: Annotated[bool, Field(strict=True)] = False


class BroughtBack(Out):
    """How many messages waited; what may leave goes."""

    waiting: int


@routes.get(
    "/v1/incidents/{incident_id}/acts/bring_back",
    summary="What bringing the former secret back would do",
    responses={404: {}},
)
async def look_from_incident(visit: Actor, incident_id: UUID) -> Former:
    """Asks the provider one harmless question with it; nothing else changes."""
    credential_id = await _of_incident(visit, incident_id)
    return _shown(await _look(visit, credential_id, incident_id))


@routes.post(
    "/v1/incidents/{incident_id}/acts/bring_back",
    summary="Bring the former secret back",
    responses={404: {}, 409: {}},
)
async def do_from_incident(visit: Actor, incident_id: UUID, how: BringBack) -> BroughtBack:
    """It is in use again with its address, and what it replaces is kept in its place. Who and why
    stand in the timeline."""
    credential_id = await _of_incident(visit, incident_id)
    return await _do(visit, credential_id, incident_id, how)


@routes.get(
    "/v1/lanes/{integration}/{endpoint}/acts/bring_back",
    summary="What bringing a credential's former secret back would do",
    responses={404: {}},
)
async def look_from_lane(visit: Actor, integration: Room, endpoint: Endpoint) -> Former:
    """Asks the provider one harmless question with it; nothing else changes."""
    return _shown(await _look(visit, await _of_lane(visit, integration, endpoint), None))


@routes.post(
    "/v1/lanes/{integration}/{endpoint}/acts/bring_back",
    summary="Bring a credential's former secret back",
    responses={404: {}, 409: {}},
)
async def do_from_lane(
    visit: Actor, integration: Room, endpoint: Endpoint, how: BringBack
) -> BroughtBack:
    """It is in use again with its address, and what it replaces is kept in its place. Who and why
    stand in the timeline."""
    return await _do(visit, await _of_lane(visit, integration, endpoint), None, how)


async def _look(visit: Visit, credential_id: UUID, incident_id: UUID | None) -> Look:
    try:
        return await look_at_former(visit.services, credential_id, incident_id)
    except Refused as error:
        raise not_found() from error


async def _do(
    visit: Visit, credential_id: UUID, incident_id: UUID | None, how: BringBack
) -> BroughtBack:
    wish = Wish(
        visit.actor,
        str(visit.person.user_id),
        how.reason,
        how.version,
        untried=how.untried,
        incident_id=incident_id,
        claims=visit.person.claims(),
    )
    try:
        return BroughtBack(waiting=await bring_back(visit.services, credential_id, wish))
    except Refused as error:
        raise not_done(error) from error


async def _of_incident(visit: Visit, incident_id: UUID) -> UUID:
    async with visit.services.database.as_oncall() as connection:
        found: UUID | None = await connection.fetchval(
            "select credential_id from incident where id = $1", incident_id
        )
    if found is None:
        raise not_found()
    return found


async def _of_lane(visit: Visit, integration: str, endpoint: str) -> UUID:
    async with visit.services.database.as_oncall() as connection:
        return (await find_lane(connection, integration, endpoint)).credential_id


def _shown(look: Look) -> Former:
    former = look.former
    return Former(
        version=look.version,
        refusal=look.refusal,
        would=list(look.would),
        numbers=dict(look.numbers),
        well=look.well,
        entered_at=former.entered_at if former else None,
        entered_by=former.entered_by if former else None,
        forget_at=former.forget_at if former else None,
    )
