"""What a person sees of a guarded link before they use it. Looking uses nothing up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mentalspace.engine.services import Services
from mentalspace.integrations.storage.desk import desk_of
from mentalspace.integrations.storage.refusal import Refused
from mentalspace.integrations.storage.store import links, objects
from mentalspace.integrations.storage.store.links import State
from mentalspace.practice.person import Person
from mentalspace.practice.standing import as_known

_ZONE = "select timezone from practice where id = $1"


@dataclass(frozen=True, slots=True)
class LinkView:
    """`state` is how the link stands for whoever looks; the document itself is not named."""

    state: State
    practice_name: str
    timezone: str
    one_time: bool
    expires_at: datetime


async def look(services: Services, token: str, visitor: Person | None) -> LinkView | None:
    """None for what was not signed here, and for a link that was forgotten."""
    desk = desk_of(services)
    try:
        guarded = desk.links.open_guarded(token, services.clock.now())
    except Refused:
        return None
    if visitor is not None and visitor.practice_id != guarded.practice_id:
        visitor = None
    async with desk.database.as_worker(guarded.practice_id) as connection:
        waiting = await links.find(connection, guarded.id)
        if waiting is None:
            return None
        state = await links.state_of(connection, guarded.id, visitor)
        timezone = await connection.fetchval(_ZONE, guarded.practice_id)
    maker = await as_known(desk.database, waiting.maker)
    if maker is None:
        return None
    if state == "open":
        async with desk.database.as_user(maker.claims()) as connection:
            if await objects.find_by_id(connection, waiting.file_id) is None:
                state = "revoked"
    return LinkView(
        state, maker.practice_name or "", timezone, waiting.guard.one_time, waiting.expires_at
    )
