"""Suppressions: whom an integration writes to no more, and writing to them again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter

from mentalspace.api.fields import Body, Out
from mentalspace.api.page import Cursor, Limit, Page, page, position
from mentalspace.api.problem import Problem, not_found
from mentalspace.api.visit import Visit, allowed
from mentalspace.engine.db import Connection
from mentalspace.kernel.errors import Refused
from mentalspace.practice.suppression import lift_suppression

routes = APIRouter(tags=["suppressions"])

# On-call sees that there is one, not whose.
_SEEN = """
select id, practice_id, integration, reason, case_id, delivery_id, {client}, created_at, lifted_at,
       lifted_by from suppression
"""
_LIST = """
 where drill is null and ($1::boolean is null or (lifted_at is not null) = $1)
   and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
 order by created_at desc, id desc limit $4
"""

Decider = Annotated[Visit, allowed("deliveries.decide")]


class Suppression(Out):
    """Since `created_at` this recipient is written to no more. `reason` is `bounced`, `complained`,
    `opted_out`, `provider's list` or another word of the runbook; `delivery_id` is the message that
    led to it. On-call sees no `client_id`, which is also null where the address is no client's."""

    id: UUID
    practice_id: UUID
    integration: str
    reason: str
    case_id: str | None
    delivery_id: UUID | None
    client_id: UUID | None
    created_at: datetime
    lifted_at: datetime | None
    lifted_by: str | None


class Lift(Body):
    """`client_asked`: they want it. Without it an opt-out or a complaint is not lifted."""

    client_asked: bool = False


@routes.get("/v1/suppressions", summary="Suppressions, the newest first")
async def suppressions(
    visit: Decider, lifted: bool | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[Suppression]:
    """On-call sees every practice's, staff their own."""
    before_at, before_id = position(cursor)
    async with visit.reading() as connection:
        sql = _seen(visit) + _LIST
        rows = await connection.fetch(sql, lifted, before_at, before_id, limit + 1)
        await visit.note(connection, "suppressions.read")
    return page(rows, limit, "created_at", Suppression)


@routes.post(
    "/v1/suppressions/{suppression_id}/lift",
    summary="Write to this recipient again",
    responses={404: {}},
)
async def lift(visit: Decider, suppression_id: UUID, how: Lift) -> Suppression:
    """What was refused meanwhile is not sent after all. Twice changes nothing. For on-call, who
    cannot ask a client, there is none."""
    if visit.person.practice_id is None:
        raise not_found()
    async with visit.reading() as connection:
        try:
            await lift_suppression(
                connection,
                visit.practice_id,
                suppression_id,
                client_asked=how.client_asked,
                actor=str(visit.person.user_id),
                name=visit.actor,
            )
        except Refused as error:
            raise Problem(422, error.code, str(error)) from error
        return await _find(visit, connection, suppression_id)


async def _find(visit: Visit, connection: Connection, suppression_id: UUID) -> Suppression:
    row: Any = await connection.fetchrow(_seen(visit) + " where id = $1", suppression_id)
    if row is None:
        raise not_found()
    return Suppression(**dict(row))


def _seen(visit: Visit) -> str:
    hidden = visit.person.role == "oncall"
    return _SEEN.format(client="null::uuid as client_id" if hidden else "client_id")
