"""Test mode of an incident's credential: what switching it off would do, and doing it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from mentalspace.api.acts import Actor, not_done
from mentalspace.api.fields import Body, Out
from mentalspace.api.problem import not_found
from mentalspace.kernel.errors import Refused
from mentalspace.workflows.former_secret import Wish
from mentalspace.workflows.test_mode_off import look_at_test_mode, switch_off

routes = APIRouter(tags=["lanes"])


class TestMode(Out):
    """What switching it off would do now. `refusal` says why it cannot be done, and then `would`
    is empty."""

    refusal: str | None
    would: list[str]
    numbers: dict[str, int]


class SwitchOff(Body):
    """`reason` is kept in the timeline and names no client."""

    reason: Annotated[str, Field(min_length=1, max_length=200)]


@routes.get(
    "/v1/incidents/{incident_id}/acts/test_mode_off",
    summary="What switching test mode off would do",
    responses={404: {}},
)
async def look(visit: Actor, incident_id: UUID) -> TestMode:
    """How many would leave and when; nothing changes."""
    try:
        looked = await look_at_test_mode(visit.services, incident_id)
    except Refused as error:
        raise not_found() from error
    return TestMode(refusal=looked.refusal, would=list(looked.would), numbers=dict(looked.numbers))


@routes.post(
    "/v1/incidents/{incident_id}/acts/test_mode_off",
    summary="Switch test mode off",
    status_code=204,
    responses={404: {}, 409: {}},
)
async def do(visit: Actor, incident_id: UUID, how: SwitchOff) -> None:
    """Everybody is reached again, and nobody who was refused is sent to. Who and why stand in the
    timeline."""
    wish = Wish(
        visit.actor,
        str(visit.person.user_id),
        how.reason,
        incident_id=incident_id,
        claims=visit.person.claims(),
    )
    try:
        await switch_off(visit.services, incident_id, wish)
    except Refused as error:
        raise not_done(error) from error
