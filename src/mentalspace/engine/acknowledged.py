"""Somebody has an incident, though a lock keeps that from being written down: it is owed, pages
nobody further, and is settled once the lock is gone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection, Database
from mentalspace.engine.incidents import acknowledge
from mentalspace.engine.log import get_logger
from mentalspace.engine.pulse import LOCKED, bound_waits

# What the person reads, wherever they said it.
OWED = "Taken: it pages nobody further. It is written down once the lock is gone."

log = get_logger(__name__)

_OWE = """
insert into acknowledgement_owed (incident_id, actor, said_by) values ($1, $2, app.user_id())
on conflict do nothing
"""
_READ = "select incident_id, actor, said_by, at from acknowledgement_owed order by at"
_SETTLED = "delete from acknowledgement_owed where incident_id = $1"
# So that the audit says by whom, and not by whose name.
_SAID_BY = "select set_config('request.jwt.claims', $1, true)"


async def owe(
    database: Database, incident_id: UUID, actor: str, claims: Mapping[str, Any] | None = None
) -> str:
    """Write it down beside the locked tables; who has it, which is whoever said so first."""
    async with database.as_oncall(claims) as connection:
        await connection.execute(_OWE, incident_id, actor)
        return (await owed_by(connection)).get(incident_id, actor)


async def owed_by(connection: Connection) -> Mapping[UUID, str]:
    """Who has said so of which, and it is not written down yet; mostly nobody. As on-call or as the
    dispatcher."""
    return {row["incident_id"]: row["actor"] for row in await connection.fetch(_READ)}


async def settle_owed(database: Database) -> int:
    """Write down what can be; how many. One that is gone, or was taken meanwhile, is settled."""
    try:
        async with database.as_dispatcher() as connection:
            await bound_waits(connection)
            rows = await connection.fetch(_READ)
            for row in rows:
                said_by = {"sub": str(row["said_by"])} if row["said_by"] else {}
                await connection.execute(_SAID_BY, json.dumps(said_by))
                await acknowledge(connection, row["incident_id"], row["actor"], row["at"])
                await connection.execute(_SETTLED, row["incident_id"])
            return len(rows)
    except LOCKED as error:
        log.warning("acknowledgement_still_owed", error=type(error).__name__)
        return 0
