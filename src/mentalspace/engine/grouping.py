"""Incidents of one cause at many practices are one group: its lead pages, the others join it.

A provider that fails everybody is one cause. A refused key is each practice's own, unless those of
many are refused at once (`refused_keys`). Drills stay by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record

RANK = "array_position(array['critical', 'high', 'medium', 'low'], {0})"
# The first of its cause that nobody has resolved; locked, so that it is not resolved meanwhile.
_LEAD = """
select id, status, acknowledged_at, acknowledged_by from incident
 where cause = $1 and lead_id is null and status <> 'resolved' and id <> $2
 order by opened_at, id limit 1 for update
"""
_JOIN = """
update incident set lead_id = $2, status = $3, acknowledged_at = $4, acknowledged_by = $5,
       next_escalation_at = null, resolve_due_at = null, resolve_within_s = null
 where id = $1
"""
# What the page says is written when it leaves: the sums stand with the lead by then.
_SUM_UP = """
update incident l
   set facts = l.facts || jsonb_build_object('practices', g.practices, 'group_people', g.people)
  from (select coalesce(lead_id, id) as id, count(distinct practice_id) as practices,
               sum((facts ->> 'failed_recipients')::bigint) as people
          from incident where status <> 'resolved' and cause is not null
         group by 1 having count(*) > 1) g
 where l.id = g.id
   and ((l.facts ->> 'practices')::bigint, (l.facts ->> 'group_people')::bigint)
       is distinct from (g.practices, g.people)
"""


def cause_of(cause: str, provider: str | None, fault: str, drill: str | None) -> str | None:
    """The same for every practice that one failure of a provider's strikes, whichever rule tells of
    it first there; None for what strikes one alone."""
    if fault != "theirs" or provider is None or drill is not None:
        return None
    return f"{cause}:{provider}"


async def join_group(connection: Connection, incident_id: UUID, cause: str | None) -> UUID | None:
    """Let a new incident join the first of its cause; that one's id, or None if it is the first."""
    if cause is None:
        return None
    lead = await connection.fetchrow(_LEAD, cause, incident_id)
    if lead is None:
        return None
    await connection.execute(
        _JOIN,
        incident_id,
        lead["id"],
        lead["status"],
        lead["acknowledged_at"],
        lead["acknowledged_by"],
    )
    await record(connection, "joined", incident_id=incident_id, actor="evaluator")
    return UUID(str(lead["id"]))


def so_far(facts: Mapping[str, Any]) -> str:
    """`5 people so far`; of a group `1,500 people in 300 practices so far`."""
    people = int(facts.get("group_people") or facts.get("failed_recipients") or 0)
    practices = int(facts.get("practices") or 1)
    where = f" in {practices:,} practices" if practices > 1 else ""
    return f"{people:,} {'person' if people == 1 else 'people'}{where} so far"


async def sum_up(connection: Connection) -> None:
    """Write practices and people of each group to its lead, whenever they have changed."""
    await connection.execute(_SUM_UP)
