"""A client answers by the link in a mail: confirms or cancels, as far as the practice allows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.services import Services
from mentalspace.workflows.appointment_links import LinkClaim, address_mark, read_link
from mentalspace.workflows.appointments import mail_desk
from mentalspace.workflows.client_word import (
    call_off_asked,
    cancel_until,
    confirm_asked,
    read_asked,
)
from mentalspace.workflows.demo import system_claims

ACTOR = "client by link"

# changed: the link is about an earlier hour or went to another address; it tells nothing of the
# appointment as it is now. confirmed is open, too: a client may still cancel.
State = Literal["open", "confirmed", "cancelled", "changed", "past"]


@dataclass(frozen=True, slots=True)
class ClientView:
    """What the page behind a link may show: no name, and nothing of an appointment that is not
    the one the mail spoke of."""

    state: State
    starts_at: datetime
    duration_min: int
    timezone: str
    language: str
    practice_name: str
    practice_phone: str | None
    cancel_until: datetime
    may_cancel: bool


@dataclass(frozen=True, slots=True)
class _Opened:
    connection: Connection
    claims: dict[str, Any]
    row: Any
    view: ClientView


async def look(services: Services, token: str) -> ClientView | None:
    """What the link shows; changes nothing. None if it is not ours."""
    async with _open(services, token) as opened:
        return None if opened is None else opened.view


async def confirm(services: Services, token: str) -> ClientView | None:
    """The client comes; a second time changes nothing. What the page shows now."""
    async with _open(services, token, lock=True) as opened:
        if opened is None or opened.view.state != "open":
            return None if opened is None else opened.view
        await confirm_asked(opened.connection, opened.row, ACTOR)
        return replace(opened.view, state="confirmed")


async def call_off(services: Services, token: str) -> ClientView | None:
    """The client does not come, if the practice still lets them say so here. The client is told
    by mail, and the front desk asked to take it out of their calendar."""
    async with _open(services, token, lock=True) as opened:
        if opened is None or not opened.view.may_cancel:
            return None if opened is None else opened.view
        desk = mail_desk(services, opened.claims)
        await call_off_asked(opened.connection, desk, opened.row, ACTOR)
        return replace(opened.view, state="cancelled", may_cancel=False)


@asynccontextmanager
async def _open(
    services: Services, token: str, *, lock: bool = False
) -> AsyncIterator[_Opened | None]:
    """Act for the practice whose appointment a link of ours names; None for any other text."""
    claim = read_link(services.signer, token)
    practice_id = None if claim is None else await _practice(services, claim.appointment_id)
    if claim is None or practice_id is None:
        yield None
        return
    claims = system_claims(practice_id)
    async with services.database.as_user(claims) as connection:
        row = await read_asked(connection, claim.appointment_id, lock=lock)
        yield _Opened(connection, claims, row, _view(services, claim, row))


async def _practice(services: Services, appointment_id: UUID) -> UUID | None:
    async with services.database.as_door() as connection:
        practice_id: UUID | None = await connection.fetchval(
            "select practice_id from appointment where id = $1", appointment_id
        )
        return practice_id


def _view(services: Services, claim: LinkClaim, row: Any) -> ClientView:
    now = services.clock.now()
    state = _state(services, claim, row, now)
    until = cancel_until(row)
    return ClientView(
        state=state,
        starts_at=row["starts_at"],
        duration_min=row["duration_min"],
        timezone=row["timezone"],
        language=row["language"],
        practice_name=row["practice_name"],
        practice_phone=row["practice_phone"],
        cancel_until=until,
        may_cancel=state in ("open", "confirmed") and now <= until,
    )


def _state(services: Services, claim: LinkClaim, row: Any, now: datetime) -> State:
    mark = address_mark(services.vault, row["practice_id"], row["email"] or "")
    if claim.address_mark != mark:
        return "changed"
    if row["status"] == "cancelled":
        return "cancelled"
    if claim.version != row["version"]:
        return "changed"
    if row["starts_at"] <= now:
        return "past"
    return "open" if row["confirmed_at"] is None else "confirmed"
