"""Consent: what a client said about being written to, with its history, and what staff are told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mentalspace.api.fields import Body, Out
from mentalspace.api.once import Key, once
from mentalspace.api.problem import Problem, not_found
from mentalspace.api.visit import Visit, allowed
from mentalspace.practice.consent import LONGEST_NOTE, Channel, What
from mentalspace.workflows.client_consent import (
    Consent,
    Told,
    WishNotKept,
    keep_wish,
    read_consent,
)
from mentalspace.workflows.reminder_rules import ClientUnknown

routes = APIRouter(tags=["consent"])

Said = Literal["nothing", "agreed", "opted_in", "lifted"]


class Wish(Body):
    """What the client told somebody of the staff; `note` says who asked for it, and how."""

    channel: Channel
    what: Told
    note: Annotated[str, Field(min_length=1, max_length=LONGEST_NOTE)]


class Standing(Out):
    """`kept` is why we do not write by this channel, since `since`; null if we do. `said` is the
    newest word for it."""

    channel: Channel
    has_address: bool
    kept: str | None
    since: datetime | None
    said: Said


class Entry(Out):
    """`of_today`: of an address that the client has now. `evidence` is the provider's id of a
    message of theirs. Whoever may not write such entries sees no `note`."""

    channel: str
    what: What
    reason: str | None
    how: str
    at: datetime
    actor: str
    delivery_id: UUID | None
    evidence: str | None
    note: str | None
    of_today: bool


class ConsentNow(Out):
    """The `history` holds the newest hundred entries, the newest first."""

    standing: list[Standing]
    history: list[Entry]


@routes.get(
    "/v1/clients/{client_id}/consent", summary="What holds, and its history", responses={404: {}}
)
async def consent(visit: Annotated[Visit, allowed("clients.read")], client_id: UUID) -> ConsentNow:
    return await _now(visit, client_id)


@routes.post(
    "/v1/clients/{client_id}/consent",
    summary="A client told somebody of the staff",
    response_model=ConsentNow,
    responses={404: {}},
)
async def keep(
    request: Request,
    visit: Annotated[Visit, allowed("consent.write")],
    client_id: UUID,
    wish: Wish,
    key: Key = None,
) -> Response:
    """`opted_out` refuses what is queued at once. `agreed` lifts an opt-out or a complaint; what
    bounced stays."""

    async def work() -> Response:
        try:
            await keep_wish(
                visit.services,
                visit.person.claims(),
                client_id,
                wish.channel,
                wish.what,
                wish.note,
                visit.actor,
            )
        except ClientUnknown as error:
            raise not_found() from error
        except WishNotKept as error:
            raise Problem(422, error.code, str(error)) from error
        now = await _now(visit, client_id)
        return Response(now.model_dump_json(), 200, media_type="application/json")

    return await once(visit, request, key, await request.body(), work)


async def _now(visit: Visit, client_id: UUID) -> ConsentNow:
    try:
        async with visit.reading() as connection:
            found = await read_consent(
                connection, visit.services.vault, visit.practice_id, client_id
            )
            await visit.note(connection, "client.read", client_id)
    except ClientUnknown as error:
        raise not_found() from error
    return _shown(found, with_notes=visit.person.may("consent.write"))


def _shown(found: Consent, *, with_notes: bool) -> ConsentNow:
    return ConsentNow(
        standing=[
            Standing(
                channel=each.channel,
                has_address=each.has_address,
                kept=each.kept["reason"] if each.kept else None,
                since=each.kept["created_at"] if each.kept else None,
                said=each.said.what if each.said else "nothing",  # type: ignore[arg-type]
            )
            for each in found.standing
        ],
        history=[
            Entry(
                channel=entry.channel,
                what=entry.what,
                reason=entry.reason,
                how=entry.how,
                at=entry.at,
                actor=entry.actor,
                delivery_id=entry.delivery_id,
                evidence=entry.evidence,
                note=entry.note if with_notes else None,
                of_today=entry.theirs_today,
            )
            for entry in found.history
        ],
    )
