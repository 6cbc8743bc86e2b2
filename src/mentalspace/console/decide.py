"""What a person decides: a held message goes on or not, a demo's day passes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

from starlette.responses import Response

from mentalspace.console.door import Forbidden, Missing, Visit
from mentalspace.console.queries.message import find_message
from mentalspace.engine.again import send_again
from mentalspace.engine.db import Connection
from mentalspace.engine.decisions import give_up, mark_sent, release

Decision = Callable[[Connection, UUID, str], Awaitable[bool]]

# At once, an hour, a day, a week: what somebody trying the demo wants to see pass.
CLOCK_HOURS = (1, 24, 168)


async def send_after_all(visit: Visit) -> Response:
    return await _decide(visit, release, "released")


async def do_not_send(visit: Visit) -> Response:
    return await _decide(visit, give_up, "given_up")


async def was_sent(visit: Visit) -> Response:
    return await _decide(visit, mark_sent, "marked_sent")


async def once_more(visit: Visit) -> Response:
    """Send an ended one again: the page of the message that takes its place."""
    message_id, services = visit.id(), visit.services
    async with visit.reading() as connection:
        if await find_message(connection, message_id) is None:
            raise Missing
        _, sent = await send_again(
            services.database,
            connection,
            services.rooms,
            visit.person.name,
            delivery_id=message_id,
        )
    if not sent:
        return visit.go(f"/messages/{message_id}?done=too_late")
    return visit.go(f"/messages/{sent[0]}?done=sent_again")


async def move_clock(visit: Visit) -> Response:
    """Let a demo's time pass, for the whole installation."""
    if visit.services.settings.is_production:
        raise Forbidden("Production runs on real time.")
    hours = visit.field("hours")
    if hours not in {str(offered) for offered in CLOCK_HOURS}:
        raise Forbidden("The clock moves by an hour, a day or a week.")
    async with visit.services.database.as_oncall() as connection:
        await connection.fetchval("select app.advance_clock($1)", timedelta(hours=int(hours)))
    return visit.go("/sandbox?done=moved")


async def _decide(visit: Visit, decision: Decision, word: str) -> Response:
    message_id = visit.id()
    async with visit.reading() as connection:
        if await find_message(connection, message_id) is None:
            raise Missing
        decided = await decision(connection, message_id, visit.person.name)
    return visit.go(f"/messages/{message_id}?done={word if decided else 'too_late'}")
