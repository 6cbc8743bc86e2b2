"""Deliveries: what was to reach somebody, and everything that happened to it. Names nobody."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from mentalspace.api.fields import Out
from mentalspace.api.page import Cursor, Limit, Page, page, position
from mentalspace.api.problem import Problem, not_found
from mentalspace.api.visit import Visit, allowed
from mentalspace.engine.again import send_again, standing
from mentalspace.kernel.delivery import Status

routes = APIRouter(tags=["deliveries"])

_COLUMNS = """
select id, practice_id, integration, kind, subject_type, subject_id, status, due_at,
       next_attempt_at, expires_at, attempts, provider_message_id, last_case, held_reason,
       traceparent, drill, created_at, accepted_at, ended_at from delivery
"""
_LIST = (
    _COLUMNS
    + """
 where ($1::text is null or status = $1) and ($2::text is null or integration = $2)
   and ($3::text is null or kind = $3) and ($4::uuid is null or subject_id = $4)
   and ($5 or drill is null)
   and ($6::timestamptz is null or (created_at, id) < ($6, $7::uuid))
 order by created_at desc, id desc limit $8
"""
)
_ATTEMPTS = """
select a.id, a.purpose, a.state, a.started_at, a.finished_at, a.duration_ms, a.http, a.code,
       a.evidence_kind, a.case_id, a.case_version, a.disposition, a.request_id, a.traceparent,
       a.size, a.rate_limit, a.rate_remaining
  from attempt a join attempt_delivery ad on ad.attempt_id = a.id
 where ad.delivery_id = $1 order by a.started_at, a.id
"""


class Delivery(Out):
    """`subject_id` is what it is about: an appointment, say. `last_case` is in the runbook."""

    id: UUID
    practice_id: UUID
    integration: str
    kind: str
    subject_type: str | None
    subject_id: UUID | None
    status: Status
    due_at: datetime
    next_attempt_at: datetime
    expires_at: datetime | None
    attempts: int
    provider_message_id: str | None
    last_case: str | None
    held_reason: str | None
    traceparent: str
    drill: str | None
    created_at: datetime
    accepted_at: datetime | None
    ended_at: datetime | None


class Attempt(Out):
    """One request to the provider, with what it answered and what the runbook made of it.

    `size` is how many deliveries were in it. `rate_limit` and `rate_remaining` are the provider's
    words: requests in its window, and what was left of them.
    """

    id: UUID
    purpose: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    duration_ms: float | None
    evidence_kind: str | None
    http: int | None
    code: str | None
    case_id: str | None
    case_version: int | None
    disposition: str | None
    request_id: str | None
    traceparent: str
    size: int
    rate_limit: int | None
    rate_remaining: int | None


class Moment(Out):
    at: datetime
    kind: str
    data: dict[str, Any]
    actor: str


class WholeDelivery(Delivery):
    timeline: list[Moment]
    tries: list[Attempt]


Reader = Annotated[Visit, allowed("deliveries.read")]
Decider = Annotated[Visit, allowed("deliveries.decide")]
Word = Annotated[str | None, Query(max_length=64, pattern=r"^[a-z0-9_]+$")]


@routes.get("/v1/deliveries", summary="Deliveries, newest first")
async def deliveries(
    visit: Reader,
    status: Status | None = None,
    integration: Word = None,
    kind: Word = None,
    subject_id: UUID | None = None,
    drills: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Delivery]:
    """Staff see their practice's, on-call everybody's, a client their own."""
    before_at, before_id = position(cursor)
    async with visit.reading() as connection:
        rows = await connection.fetch(
            _LIST,
            None if status is None else status.value,
            integration,
            kind,
            subject_id,
            drills,
            before_at,
            before_id,
            limit + 1,
        )
    return page(rows, limit, "created_at", Delivery)


@routes.get(
    "/v1/deliveries/{delivery_id}",
    summary="One delivery with its timeline and attempts",
    responses={404: {}},
)
async def delivery(visit: Reader, delivery_id: UUID) -> WholeDelivery:
    async with visit.reading() as connection:
        row = await connection.fetchrow(_COLUMNS + " where id = $1", delivery_id)
        if row is None:
            raise not_found()
        timeline = await connection.fetch(
            "select at, kind, data, actor from timeline where delivery_id = $1 order by id",
            delivery_id,
        )
        tries = await connection.fetch(_ATTEMPTS, delivery_id)
    return WholeDelivery(
        **dict(row),
        timeline=[Moment(**dict(moment)) for moment in timeline],
        tries=[Attempt(**dict(attempt)) for attempt in tries],
    )


@routes.post(
    "/v1/deliveries/{delivery_id}/again",
    summary="Send an ended one again: the delivery that takes its place",
    status_code=201,
    responses={404: {}, 409: {}},
)
async def once_more(visit: Decider, delivery_id: UUID) -> Delivery:
    """A document's copy that was refused, has failed or expired, under the name that it has at the
    provider. 409 says why not."""
    services = visit.services
    async with visit.reading() as connection:
        row = await connection.fetchrow(_COLUMNS + " where id = $1", delivery_id)
        if row is None:
            raise not_found()
        seen = await standing(connection, services.rooms, row["integration"], delivery_id)
        if seen is None:
            raise Problem(409, "not_sent_again", "only a document's copy that ended goes again")
        if not seen.may_go:
            raise Problem(409, "not_sent_again", seen.why_not or "it does not go again")
        _, sent = await send_again(
            services.database, connection, services.rooms, visit.actor, delivery_id=delivery_id
        )
    if not sent:
        raise Problem(
            409, "not_sent_again", "it was sent again already, or no credential is in use for it"
        )
    async with visit.reading() as connection:
        new = await connection.fetchrow(_COLUMNS + " where id = $1", sent[0])
    assert new is not None
    return Delivery(**dict(new))
