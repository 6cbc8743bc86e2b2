"""Vendor agreements: without one that holds, what names clients does not go out live."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from mentalspace.api.fields import Body, Out
from mentalspace.api.problem import Problem, not_found
from mentalspace.api.visit import Visit, allowed
from mentalspace.engine.agreement import NewAgreement
from mentalspace.engine.db import Connection
from mentalspace.kernel.errors import Refused
from mentalspace.practice.agreement import (
    LONGEST_REFERENCE,
    record_agreement,
    withdraw_agreement,
)

routes = APIRouter(tags=["agreements"])

_SEEN = """
select id, practice_id, vendor, signed_on, expires_on, recorded_at, revoked_at,
       revoked_at is null and signed_on <= app.today(practice_id)
         and (expires_on is null or expires_on > app.today(practice_id)) as holds
  from vendor_agreement where drill is null and ($1::uuid is null or id = $1)
 order by signed_on desc, id
"""
_REFERENCES = "select id, reference from vendor_agreement"


class NewAgreementIn(Body):
    """`expires_on` is the first day on which it holds no more; null for one without an end.
    `reference` says where the document is kept."""

    vendor: Annotated[str, Field(max_length=100)]
    signed_on: date
    expires_on: date | None = None
    reference: Annotated[str, Field(max_length=LONGEST_REFERENCE)] = ""


class Agreement(Out):
    """`holds` says whether it does today, in the practice's zone. On-call sees no `reference`."""

    id: UUID
    practice_id: UUID
    vendor: str
    signed_on: date
    expires_on: date | None
    holds: bool
    reference: str | None
    recorded_at: datetime
    revoked_at: datetime | None


Reader = Annotated[Visit, allowed("agreements.read")]
Writer = Annotated[Visit, allowed("agreements.write")]


@routes.get("/v1/agreements", summary="Vendor agreements, the newest first")
async def agreements(visit: Reader) -> list[Agreement]:
    """On-call sees every practice's, an administrator their own."""
    async with visit.reading() as connection:
        return await _read(visit, connection, None)


@routes.post("/v1/agreements", summary="Record a signed agreement", status_code=201)
async def record(visit: Writer, new: NewAgreementIn) -> Agreement:
    """What waited for it goes out. A renewal is recorded beside the one it follows."""
    wanted = NewAgreement(
        visit.practice_id, new.vendor, new.signed_on, new.expires_on, new.reference
    )
    async with visit.reading() as connection:
        try:
            agreement_id = await record_agreement(
                connection,
                visit.services.rooms,
                wanted,
                actor=str(visit.person.user_id),
                name=visit.actor,
            )
        except Refused as error:
            raise Problem(422, error.code, str(error)) from error
        [found] = await _read(visit, connection, agreement_id)
    return found


@routes.post(
    "/v1/agreements/{agreement_id}/revoke", summary="It holds no more", responses={404: {}}
)
async def revoke(visit: Writer, agreement_id: UUID) -> Agreement:
    """What names clients stops at once. One that is revoked already is not found."""
    async with visit.reading() as connection:
        vendor = await withdraw_agreement(
            connection,
            visit.practice_id,
            agreement_id,
            actor=str(visit.person.user_id),
            name=visit.actor,
        )
        if vendor is None:
            raise not_found()
        [found] = await _read(visit, connection, agreement_id)
    return found


async def _read(visit: Visit, connection: Connection, agreement_id: UUID | None) -> list[Agreement]:
    rows = await connection.fetch(_SEEN, agreement_id)
    references: dict[UUID, Any] = {}
    if visit.person.role != "oncall":
        kept = await connection.fetch(_REFERENCES)
        references = {row["id"]: row["reference"] for row in kept}
    return [Agreement(**dict(row), reference=references.get(row["id"])) for row in rows]
