"""Which credential a practice, a room and a provider's name mean on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from mentalspace.cli.application import Application
from mentalspace.kernel.errors import Refused

if TYPE_CHECKING:
    import asyncpg

    from mentalspace.kernel.integration import Integration, Provider


def chosen_of(
    application: Application, room: str, provider: str | None
) -> tuple[Provider, Integration]:
    """Raises Refused for a room or a provider that does not exist."""
    rooms = application.rooms()
    if room not in rooms:
        raise Refused("no_such_room", f"there is no room {room!r}: {', '.join(rooms)}")
    names = [p.name for p in rooms[room].providers]
    if provider is not None and provider not in names:
        raise Refused("no_such_provider", f"{room} has {', '.join(names)}")
    return rooms[room].provider(provider or names[0]), rooms[room]


async def endpoint_in(
    owner: asyncpg.Connection[Any], practice_id: UUID, room: Integration, provider: Provider
) -> str:
    from mentalspace.practice.tenancy import endpoint_of

    row = await owner.fetchrow("select slug, is_default from practice where id = $1", practice_id)
    assert row is not None
    return endpoint_of(None if row["is_default"] else row["slug"], room, provider)
