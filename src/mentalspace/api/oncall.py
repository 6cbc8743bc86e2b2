"""The on-call schedule: who has it, who follows, where nobody does, and overrides."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal, get_args
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from mentalspace.api.fields import Body, Instant, Out
from mentalspace.api.problem import Fault, Problem, not_found
from mentalspace.api.visit import Visit, allowed
from mentalspace.engine.oncall import SCHEDULED, Rota, add_override, call_off, read_rota
from mentalspace.engine.rota import Layer, shifts
from mentalspace.kernel.errors import Refused

routes = APIRouter(tags=["on call"])

Target = Literal["oncall", "cto", "assigned"]
LONGEST = timedelta(days=92)
# Which field of an override a refusal is about.
_WRONG = {
    "ends_before_it_begins": "ends_at",
    "too_long": "ends_at",
    "bad_reason": "reason",
    "no_such_layer": "rotation_id",
    "no_such_person": "person_id",
}


class Stretch(Out):
    """One stretch of one rotation; `person` is null where nobody has it."""

    target: Target
    rotation_id: UUID
    rotation: str
    rank: int
    person_id: UUID | None
    person: str | None
    starts_at: datetime
    ends_at: datetime
    override_id: UUID | None


class Gap(Out):
    target: Target
    starts_at: datetime
    ends_at: datetime


class Schedule(Out):
    """`shifts` in order, by target and rank; `gaps` are where no rotation of a target has anybody:
    pages then go to the settings' addresses."""

    shifts: list[Stretch]
    gaps: list[Gap]


class NewOverride(Body):
    rotation_id: UUID
    person_id: UUID
    starts_at: Instant
    ends_at: Instant
    reason: Annotated[str, Field(max_length=200)] = ""


class Made(Out):
    id: UUID


class CalledOff(Out):
    called_off: bool


Reader = Annotated[Visit, allowed("incidents.read")]
Writer = Annotated[Visit, allowed("oncall.write")]


@routes.get("/v1/on-call", summary="Who is on call, from one instant to another")
async def schedule(
    visit: Reader, since: Instant | None = None, until: Instant | None = None
) -> Schedule:
    """Without instants, four weeks from now; at most three months."""
    async with visit.services.database.as_oncall() as connection:
        start = since or await connection.fetchval("select app.now()")
        rota = await read_rota(connection, start)
    end = until or start + timedelta(weeks=4)
    if not start < end <= start + LONGEST:
        fault = Fault("/query/until", "bad_span", f"it is not within {LONGEST.days} days of since")
        raise Problem(422, "bad_span", "that span cannot be shown; see errors", errors=[fault])
    return Schedule(
        shifts=[s for layer in rota.layers for s in _stretches(rota, layer, start, end)],
        gaps=[
            Gap(target=_target(target), starts_at=first, ends_at=last)
            for target in SCHEDULED
            for first, last in rota.gaps(target, start, end)
        ],
    )


@routes.post("/v1/on-call/overrides", summary="Somebody else for a while", status_code=201)
async def override(visit: Writer, new: NewOverride) -> Made:
    """Of overlapping ones the one made last holds."""
    async with visit.services.database.as_oncall(visit.person.claims()) as connection:
        try:
            made = await add_override(
                connection,
                new.rotation_id,
                new.person_id,
                new.starts_at,
                new.ends_at,
                reason=new.reason,
                actor=visit.actor,
            )
        except Refused as error:
            where = f"/body/{_WRONG.get(error.code, '')}".rstrip("/")
            fault = Fault(where, error.code, str(error))
            raise Problem(422, error.code, str(error), errors=[fault]) from error
    return Made(id=made)


@routes.delete(
    "/v1/on-call/overrides/{override_id}", summary="Call an override off", responses={404: {}}
)
async def end_override(visit: Writer, override_id: UUID) -> CalledOff:
    """Twice changes nothing: `called_off` says whether this call did it."""
    async with visit.services.database.as_oncall(visit.person.claims()) as connection:
        done = await call_off(connection, override_id, visit.actor)
        known = await connection.fetchval(
            "select true from oncall_override where id = $1", override_id
        )
    if not known:
        raise not_found()
    return CalledOff(called_off=done)


def _stretches(rota: Rota, layer: Layer, start: datetime, end: datetime) -> list[Stretch]:
    return [
        Stretch(
            target=_target(layer.target),
            rotation_id=layer.id,
            rotation=layer.name,
            rank=layer.rank,
            person_id=shift.person_id,
            person=rota.names.get(shift.person_id) if shift.person_id else None,
            starts_at=shift.starts_at,
            ends_at=shift.ends_at,
            override_id=shift.override.id if shift.override else None,
        )
        for shift in shifts(layer, rota.overrides, start, end)
    ]


def _target(name: str) -> Target:
    return next(each for each in _TARGETS if each == name)


_TARGETS: tuple[Target, ...] = get_args(Target)
