"""How many people each incident of a list touches: by the very query of its own page."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from mentalspace.console.about import About, about_of
from mentalspace.console.queries.facts import read_impact
from mentalspace.console.queries.group import ids_of
from mentalspace.console.queries.house import read_house_impact
from mentalspace.engine.db import Connection
from mentalspace.engine.house_alert import HOUSE
from mentalspace.engine.pulse import LOCKED
from mentalspace.engine.runbook import Runbooks

# Each is counted anew: of a longer list, and of what takes longer, the rest shows what it came to
# when it was last judged.
_MOST = 8
_WITHIN_S = 1.0


async def people_of(
    connection: Connection, runbooks: Runbooks, incidents: Sequence[Any]
) -> Mapping[UUID, Any]:
    """The impact of each, as its page has it at the same instant; of a group its sums. Those that
    touch nobody by their nature are left out."""
    found: dict[UUID, Any] = {}
    ends = time.monotonic() + _WITHIN_S
    for incident in incidents[:_MOST]:
        about = about_of(runbooks, incident["rule_id"])
        if about.nobody or about.leavers:
            continue
        try:
            async with connection.transaction():
                left_ms = max(1, int((ends - time.monotonic()) * 1000))
                await connection.execute(f"set local statement_timeout = {left_ms}")
                found[incident["id"]] = await _impact(connection, incident, about)
                await connection.execute("set local statement_timeout = default")
        except LOCKED:
            break
    return found


async def _impact(connection: Connection, incident: Any, about: About) -> Any:
    if incident["integration"] == HOUSE:
        return await read_house_impact(connection, incident)
    ids = await ids_of(connection, incident["id"])
    return (await read_impact(connection, ids, about))[None]
