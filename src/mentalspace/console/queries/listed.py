"""How many people each incident of a list touches: by the very query of its own page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from mentalspace.console.about import about_of
from mentalspace.console.queries.facts import read_impact
from mentalspace.console.queries.group import ids_of
from mentalspace.console.queries.house import read_house_impact
from mentalspace.engine.db import Connection
from mentalspace.engine.house_alert import HOUSE
from mentalspace.engine.runbook import Runbooks

# Each is counted anew: of a longer list the rest shows what it came to when it was last judged.
_MOST = 8


async def people_of(
    connection: Connection, runbooks: Runbooks, incidents: Sequence[Any]
) -> Mapping[UUID, Any]:
    """The impact of each, as its page has it at the same instant; of a group its sums. Those that
    touch nobody by their nature are left out."""
    found: dict[UUID, Any] = {}
    for incident in incidents[:_MOST]:
        about = about_of(runbooks, incident["rule_id"])
        if about.nobody or about.leavers:
            continue
        if incident["integration"] == HOUSE:
            found[incident["id"]] = await read_house_impact(connection, incident)
        else:
            ids = await ids_of(connection, incident["id"])
            found[incident["id"]] = (await read_impact(connection, ids, about))[None]
    return found
