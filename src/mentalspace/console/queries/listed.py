"""How many people each incident of a list touches: by the very query of its own page."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.pulse import LOCKED
from mentalspace.engine.runbook import Runbooks
from mentalspace.workflows.impact.whole import read_people

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
        try:
            async with connection.transaction():
                left_ms = max(1, int((ends - time.monotonic()) * 1000))
                await connection.execute(f"set local statement_timeout = {left_ms}")
                people = await read_people(connection, runbooks, incident)
                await connection.execute("set local statement_timeout = default")
        except LOCKED:
            break
        if people is not None:
            found[incident["id"]] = people
    return found
