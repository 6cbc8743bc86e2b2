"""Whose lanes a person means who names a room, or a room and an endpoint, and no incident."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.remedy.preflight import Name
from mentalspace.kernel.errors import Refused

# What needs no incident. The rest changes whom messages go through, and belongs to one.
WITHOUT_INCIDENT: tuple[Name, ...] = ("pause", "resume", "hold")

_NAMED = """
select c.id as credential_id, c.integration, c.provider, c.endpoint, p.name as practice_name
  from credential c join practice p on p.id = c.practice_id
 where c.integration = $1 and ($2::text is null or c.endpoint = $2) and c.active and c.drill is null
 order by p.name, c.rank, c.endpoint
"""


@dataclass(frozen=True, slots=True)
class Named:
    """A credential in use; its endpoint's name is its room's alone."""

    credential_id: UUID
    integration: str
    provider: str
    endpoint: str
    practice_name: str


async def find_named(
    connection: Connection, integration: str, endpoint: str | None = None
) -> list[Named]:
    """As on-call: that one, or all of the room. Raises Refused if there is none."""
    rows = await connection.fetch(_NAMED, integration, endpoint)
    if not rows:
        where = f"{integration}/{endpoint}" if endpoint else integration
        raise Refused("no_such_lane", f"no credential {where} is in use")
    return [Named(**dict(row)) for row in rows]
