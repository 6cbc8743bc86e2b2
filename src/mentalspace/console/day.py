"""A practice's pages: its day with what each client was told, its clients, its tasks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from starlette.responses import Response

from mentalspace.console import words
from mentalspace.console.door import Missing, Visit
from mentalspace.console.queries.practice import (
    finish_task,
    next_start,
    read_clients,
    read_day,
    read_tasks,
)
from mentalspace.engine.db import Connection
from mentalspace.practice.suppression import suppressed_of
from mentalspace.workflows.access_mails import NoCredential, invite

CLIENTS_A_PAGE = 100


@dataclass(frozen=True, slots=True)
class Told:
    """What a page says after a change."""

    tone: str
    text: str


_PAGE = re.compile(r"[0-9]{1,4}")
_INVITED = {
    "invited": Told("ok", "The invitation is on its way. Its link works once, for seven days."),
    "no_address": Told("bad", "No address is known for this client. Ask them for one."),
    "taken": Told("bad", "Somebody else here already logs in with this address."),
    "no_credential": Told("bad", "The practice has no e-mail credential, so nothing was sent."),
}
_UNREACHED = frozenset({"bounced", "refused", "failed", "expired", "held"})


async def appointments(visit: Visit) -> Response:
    async with visit.reading() as connection:
        zone = await connection.fetchval(
            "select timezone from practice where id = $1", visit.person.practice_id
        )
        now = await connection.fetchval("select app.now()")
        today = now.astimezone(ZoneInfo(zone)).date()
        day = _day(visit.query("day")) or today
        start, end = _bounds(day, zone)
        rows = await read_day(connection, start, end)
        following = None if rows else await next_start(connection, end)
        listed = await suppressed(
            visit, connection, {row["client_id"]: row["client_email"] for row in rows}
        )
    await visit.note_reading("appointments.read")
    shown = [
        _without_what_was_replaced(shown_appointment(row, listed.get(row["client_id"])))
        for row in rows
    ]
    return await visit.show(
        "appointments.html",
        day=day,
        today=today,
        before=day - timedelta(days=1),
        after=day + timedelta(days=1),
        appointments=shown,
        following=following.astimezone(ZoneInfo(zone)).date() if following else None,
        unreached=sum(1 for row in shown if row["unreached"]),
    )


async def clients(visit: Visit) -> Response:
    page = int(visit.query("page")) if _PAGE.fullmatch(visit.query("page")) else 0
    async with visit.reading() as connection:
        rows = await read_clients(connection, CLIENTS_A_PAGE + 1, page * CLIENTS_A_PAGE)
        listed = await suppressed(visit, connection, {row["id"]: row["email"] for row in rows})
    await visit.note_reading("clients.read")
    return await visit.show(
        "clients.html",
        clients=rows[:CLIENTS_A_PAGE],
        listed=listed,
        page=page,
        has_more=len(rows) > CLIENTS_A_PAGE,
        done=_INVITED.get(visit.query("done")),
    )


async def invite_to_portal(visit: Visit) -> Response:
    """Send a client the link; the page says that it went, or why it cannot."""
    try:
        outcome: str = await invite(visit.services, visit.person.claims(), visit.id())
    except NoCredential:
        outcome = "no_credential"
    if outcome == "unknown":
        raise Missing
    return visit.go(f"/clients?done={outcome}")


async def tasks(visit: Visit) -> Response:
    state = "done" if visit.query("state") == "done" else "open"
    async with visit.reading() as connection:
        rows = await read_tasks(connection, state)
    await visit.note_reading("tasks.read")
    return await visit.show("tasks.html", tasks=rows, state=state)


async def finish(visit: Visit) -> Response:
    async with visit.reading() as connection:
        if not await finish_task(connection, visit.id(), UUID(str(visit.person.user_id))):
            raise Missing
    return visit.go("/tasks")


async def suppressed(
    visit: Visit, connection: Connection, addresses: Mapping[UUID, str | None]
) -> dict[UUID, Any]:
    """Of these clients, those whose address is written to no more."""
    assert visit.person.practice_id is not None
    vault, practice_id = visit.services.vault, visit.person.practice_id
    return await suppressed_of(connection, vault, practice_id, addresses)


def shown_appointment(row: Any, suppression: Any | None = None) -> dict[str, Any]:
    """The row with its mails and texts in words, and whether nobody could be told."""
    mails = json.loads(row["mails"]) if isinstance(row["mails"], str) else row["mails"]
    scheduled = row["status"] == "scheduled"
    failed = [mail for mail in mails if mail["status"] in _UNREACHED]
    reached = any(mail["status"] == "delivered" for mail in mails)
    return {
        **dict(row),
        "mails": [_mail(mail) for mail in mails],
        "unreached": scheduled
        and not reached
        and (bool(failed) or not (mails or row["has_email"])),
        "suppression": suppression if scheduled else None,
    }


def _mail(mail: dict[str, Any]) -> dict[str, Any]:
    waits = mail["lead"] is not None and mail["status"] == "pending"
    return {
        **mail,
        "kind": words.kind(mail["type"]),
        "waits_until": datetime.fromisoformat(mail["due_at"]) if waits else None,
    }


def _without_what_was_replaced(shown: dict[str, Any]) -> dict[str, Any]:
    """A day has no room for reminders in whose place others stand; the client's page has."""
    mails = [m for m in shown["mails"] if m["lead"] is None or m["status"] != "cancelled"]
    return {**shown, "mails": mails}


def _day(value: str) -> date | None:
    try:
        found = date.fromisoformat(value)
    except ValueError:
        return None
    return found if date(1970, 1, 2) <= found <= date(2999, 12, 30) else None


def _bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """The day's first instant and the next day's, which are not always 24 hours apart."""
    start = datetime.combine(day, time(), ZoneInfo(zone))
    end = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone))
    return start.astimezone(UTC), end.astimezone(UTC)
