"""A client answers by the link in a mail: confirms or cancels, as far as the practice allows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record
from mentalspace.engine.services import Services
from mentalspace.practice.audit import note
from mentalspace.practice.reminder_policy import CANCEL_BEFORE_H
from mentalspace.workflows.appointment_links import LinkClaim, address_mark, read_link
from mentalspace.workflows.appointments import cancel_within, mail_desk
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


_READ = f"""
select a.id, a.practice_id, a.client_id, a.version, a.starts_at, a.duration_min, a.status,
       a.confirmed_at, a.drill, coalesce(k.timezone, p.timezone) as timezone, k.language,
       k.email, p.name as practice_name, p.phone as practice_phone,
       p.timezone as practice_timezone,
       coalesce(r.cancel_before_h, {CANCEL_BEFORE_H}) as cancel_before_h
  from appointment a join client k on k.id = a.client_id join practice p on p.id = a.practice_id
  left join reminder_policy r on r.practice_id = a.practice_id
 where a.id = $1
"""


@dataclass(frozen=True, slots=True)
class _Opened:
    connection: Connection
    claims: dict[str, Any]
    row: Any
    view: ClientView


async def look(services: Services, token: str) -> ClientView | None:
    """What the link shows; changes nothing. None if it is not ours."""
    async with _open(services, token, "") as opened:
        return None if opened is None else opened.view


async def confirm(services: Services, token: str) -> ClientView | None:
    """The client comes; a second time changes nothing. What the page shows now."""
    async with _open(services, token, "for update of a") as opened:
        if opened is None or opened.view.state != "open":
            return None if opened is None else opened.view
        await opened.connection.execute(
            "update appointment set confirmed_at = app.now() where id = $1", opened.row["id"]
        )
        await _note(opened, "confirmed")
        return replace(opened.view, state="confirmed")


async def call_off(services: Services, token: str) -> ClientView | None:
    """The client does not come, if the practice still lets them say so here. The client is told
    by mail, and the front desk asked to take it out of their calendar."""
    async with _open(services, token, "for update of a") as opened:
        if opened is None or not opened.view.may_cancel:
            return None if opened is None else opened.view
        desk = replace(mail_desk(services, opened.claims), actor=ACTOR)
        await cancel_within(opened.connection, desk, opened.row["id"], by="client")
        await _ask_front_desk(opened)
        await _note(opened, "cancelled")
        return replace(opened.view, state="cancelled", may_cancel=False)


@asynccontextmanager
async def _open(services: Services, token: str, lock: str) -> AsyncIterator[_Opened | None]:
    """Act for the practice whose appointment a link of ours names; None for any other text."""
    claim = read_link(services.signer, token)
    practice_id = None if claim is None else await _practice(services, claim.appointment_id)
    if claim is None or practice_id is None:
        yield None
        return
    claims = system_claims(practice_id)
    async with services.database.as_user(claims) as connection:
        row = await connection.fetchrow(f"{_READ} {lock}", claim.appointment_id)
        assert row is not None
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
    cancel_until = row["starts_at"] - timedelta(hours=row["cancel_before_h"])
    return ClientView(
        state=state,
        starts_at=row["starts_at"],
        duration_min=row["duration_min"],
        timezone=row["timezone"],
        language=row["language"],
        practice_name=row["practice_name"],
        practice_phone=row["practice_phone"],
        cancel_until=cancel_until,
        may_cancel=state in ("open", "confirmed") and now <= cancel_until,
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


async def _note(opened: _Opened, what: str) -> None:
    await record(
        opened.connection,
        f"appointment_{what}",
        practice_id=opened.row["practice_id"],
        data={"appointment": str(opened.row["id"])},
        actor=ACTOR,
        drill=opened.row["drill"],
    )
    await note(
        opened.connection,
        ACTOR,
        f"appointment.{what}",
        practice_id=opened.row["practice_id"],
        subject=opened.row["id"],
    )


async def _ask_front_desk(opened: _Opened) -> None:
    row = opened.row
    local = row["starts_at"].astimezone(ZoneInfo(row["practice_timezone"]))
    await opened.connection.execute(
        "insert into task (practice_id, for_role, text, client_id, drill)"
        " values ($1, 'front_desk', $2, $3, $4)",
        row["practice_id"],
        f"Take out of your calendar what the client cancelled: {local:%A, %B} {local.day},"
        f" {local:%H:%M}",
        row["client_id"],
        row["drill"],
    )
