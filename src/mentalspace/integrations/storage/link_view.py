"""What a person sees of a guarded link before they use it. Looking uses nothing up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mentalspace.engine.services import Services
from mentalspace.integrations.storage.desk import Desk, desk_of
from mentalspace.integrations.storage.refusal import Refused
from mentalspace.integrations.storage.store import links, objects
from mentalspace.integrations.storage.store.links import State
from mentalspace.practice.person import Person
from mentalspace.practice.standing import as_known

_ZONE = "select timezone from practice where id = $1"
_CLIENT = "select client_id from membership where practice_id = $1 and user_id = $2"
_LANGUAGE = "select language from client where id = $1"


@dataclass(frozen=True, slots=True)
class LinkView:
    """`state` is how the link stands for whoever looks; the document itself is not named. `label`
    is known of a link that is open, or was used up; `language` is a client's whom it is for, or
    who looks."""

    state: State
    practice_name: str
    timezone: str
    one_time: bool
    expires_at: datetime
    label: str | None
    language: str | None


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
    label = None
    if state in ("open", "used"):
        async with desk.database.as_user(maker.claims()) as connection:
            found = await objects.find_by_id(connection, waiting.file_id)
        label = None if found is None else found.label
        if found is None and state == "open":
            state = "revoked"
    return LinkView(
        state, maker.practice_name or "", timezone, waiting.guard.one_time, waiting.expires_at,
        label, await _language(desk, guarded.practice_id, waiting.guard.for_user, visitor),
    )  # fmt: skip


async def _language(
    desk: Desk, practice_id: UUID, for_user: UUID | None, visitor: Person | None
) -> str | None:
    client_id = None if visitor is None else visitor.client_id
    if client_id is None and for_user is not None:
        async with desk.database.as_door() as connection:
            client_id = await connection.fetchval(_CLIENT, practice_id, for_user)
    if client_id is None:
        return None
    async with desk.database.as_worker(practice_id) as connection:
        language: str | None = await connection.fetchval(_LANGUAGE, client_id)
    return language
