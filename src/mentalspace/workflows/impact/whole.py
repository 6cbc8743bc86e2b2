"""Whom an incident touches with all that it leads, by whatever its rule counts."""

from __future__ import annotations

from typing import Any

from mentalspace.engine.db import Connection
from mentalspace.engine.house_alert import HOUSE
from mentalspace.engine.runbook import Runbooks
from mentalspace.workflows.impact.about import about_of
from mentalspace.workflows.impact.counted import read_impact
from mentalspace.workflows.impact.house import read_house_impact

_WHOLE = "select id from incident where id = $1 or lead_id = $1"


async def read_people(connection: Connection, runbooks: Runbooks, incident: Any) -> Any | None:
    """As its own page has it, of those that the reader may see; None of one that touches nobody by
    its nature."""
    about = about_of(runbooks, incident["rule_id"])
    if about.nobody or about.leavers:
        return None
    if incident["integration"] == HOUSE:
        return await read_house_impact(connection, incident)
    rows = await connection.fetch(_WHOLE, incident["id"])
    return (await read_impact(connection, [row["id"] for row in rows], about))[None]
