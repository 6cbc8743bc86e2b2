"""The facts of an incident of the house itself, in all practices, whatever their providers."""

from __future__ import annotations

from typing import Any

from mentalspace.engine.db import Connection
from mentalspace.workflows.impact.house import read_house_impact

_ZONES = """
select p.timezone from practice p
 where not p.is_drill and exists (
   select from credential c where c.practice_id = p.id and c.active and c.drill is null)
 group by 1 order by count(*) desc, 1
"""
_TRIES = """
select count(*) filter (where a.state = 'succeeded') as good,
       count(*) filter (where a.state in ('failed', 'unknown')) as bad
  from credential c join attempt a on a.credential_id = c.id
 where c.drill is null and a.drill is null and a.finished_at >= $1
   and a.finished_at <= coalesce($2::timestamptz, 'infinity')
"""


async def read_zones(connection: Connection) -> list[str]:
    """Of all practices that send anything, each once, those of most of them first."""
    return [row["timezone"] for row in await connection.fetch(_ZONES)]


async def read_house_facts(connection: Connection, incident: Any) -> dict[str, Any]:
    """As `read_facts` has them, of everybody; no answer of a provider speaks of it."""
    over = incident["recovered_at"] or incident["resolved_at"]
    impact = await read_house_impact(connection, incident)
    return {
        "impact": impact,
        "after": None,
        "by_incident": {},
        "apart": None,
        "left": 0,
        "wording": [],
        "resting": {"messages": impact["resting"], "people": impact["people_resting"]},
        "tries": await connection.fetchrow(_TRIES, incident["since"], over),
        "latest": None,
        "elsewhere": None,
        "lanes": [],
    }
