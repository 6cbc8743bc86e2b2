"""What may be done about an incident: what each button would do, and doing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from mentalspace.api.fields import Body, Out
from mentalspace.api.problem import Problem, not_found
from mentalspace.api.visit import Visit, allowed
from mentalspace.engine.db import Connection
from mentalspace.engine.remedy import NAMES, Name, Standing, preflights, read_standing
from mentalspace.engine.remedy import act as do_it
from mentalspace.engine.remedy.act import Order
from mentalspace.engine.runbook import Price
from mentalspace.kernel.errors import Refused

# What was asked for is in order, and how things stand does not allow it.
_STANDS_OTHERWISE = frozenset(
    {"not_now", "no_former", "not_tried", "test_key", "not_encrypted", "endpoint_taken"}
)

routes = APIRouter(tags=["incidents"])


class Preflight(Out):
    """What the act would do now. `refusal` says why it cannot be done, and then `would` is empty;
    `already` that it has been done. With `needs_reason` and `needs_expiry` the request must hold
    `reason` and `minutes`."""

    name: Name
    title: str
    refusal: str | None
    already: bool
    would: list[str]
    numbers: dict[str, int]
    safe: bool
    needs_reason: bool
    needs_expiry: bool


class Preflights(Out):
    items: list[Preflight]


class How(Body):
    """`reason` is kept in the timeline and names no client; what ends by itself says after how
    many `minutes`."""

    reason: Annotated[str, Field(max_length=200)] = ""
    minutes: Annotated[int, Field(strict=True, ge=1, le=1440)] | None = None


class Done(Out):
    """`count` of lanes or messages; `replay` is the id under which a replay may be followed."""

    name: Name
    count: int
    replay: str | None


Actor = Annotated[Visit, allowed("incidents.act")]


@routes.get(
    "/v1/incidents/{incident_id}/acts",
    summary="What may be done about it, and what it would do",
    responses={404: {}},
)
async def acts(visit: Actor, incident_id: UUID) -> Preflights:
    """Changes nothing. The numbers are of this moment."""
    async with visit.services.database.as_oncall() as connection:
        standing = await _standing(connection, incident_id)
    return shown(visit, standing, NAMES)


def shown(visit: Visit, standing: Standing, names: Sequence[Name]) -> Preflights:
    """What each of these would do now."""
    price = _price(visit, standing.integration)
    looked = preflights(standing, title_of(visit, standing.integration), price)
    return Preflights(
        items=[
            Preflight(
                name=one.name,
                title=one.title,
                refusal=one.refusal,
                already=one.already,
                would=list(one.would),
                numbers=dict(one.numbers),
                safe=one.safe,
                needs_reason=one.needs_reason,
                needs_expiry=one.needs_expiry,
            )
            for one in looked
            if one.name in names
        ]
    )


@routes.post(
    "/v1/incidents/{incident_id}/acts/{name}",
    summary="Do it",
    responses={404: {}, 409: {}},
)
async def act(visit: Actor, incident_id: UUID, name: Name, how: How) -> Done:
    """Who and why stand in the timeline. Done already, or no longer possible, it is refused and
    nothing changes."""
    async with visit.services.database.as_oncall(visit.person.claims()) as connection:
        standing = await _standing(connection, incident_id)
        order = Order(visit.actor, how.reason, how.minutes)
        title = title_of(visit, standing.integration)
        try:
            done = await do_it(connection, incident_id, name, order, title)
        except Refused as error:
            raise not_done(error) from error
    return Done(name=done.name, count=done.count, replay=done.replay)


async def _standing(connection: Connection, incident_id: UUID) -> Standing:
    standing = await read_standing(connection, incident_id)
    if standing is None:
        raise not_found()
    return standing


def not_done(error: Refused) -> Problem:
    """Why nothing has changed."""
    if error.code == "no_such_credential":
        return not_found()
    return Problem(409 if error.code in _STANDS_OTHERWISE else 422, error.code, str(error))


def title_of(visit: Visit, integration: str) -> Callable[[str], str]:
    room = visit.services.rooms.get(integration)
    titles = {provider.name: provider.title for provider in room.providers} if room else {}
    return lambda provider: titles.get(provider, provider)


def _price(visit: Visit, integration: str) -> Price | None:
    try:
        return visit.services.runbooks.room(integration).overview.price
    except LookupError:
        return None
