"""One cause at several practices, told as one incident: its own sums, and not its lead's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.console import words
from mentalspace.console.queries.facts import read_facts
from mentalspace.console.queries.recovering import OVER_SINCE
from mentalspace.engine.db import Connection
from mentalspace.engine.house_alert import HOUSE
from mentalspace.workflows.impact.about import About

# Everybody of a group, the lead first.
_MEMBERS = f"""
select i.id, i.status, i.since, i.recovered_at, i.resolved_at, i.credential_id, i.practice_id,
       p.name as practice_name, p.timezone, s.last_good_at, s.breaker, {OVER_SINCE}
  from incident i left join practice p on p.id = i.practice_id
  left join credential_state s on s.credential_id = i.credential_id
 where i.id = $1 or i.lead_id = $1 order by i.lead_id nulls first, p.name, i.id
"""


@dataclass(frozen=True, slots=True)
class Group:
    """`members` have id, practice_name, status, recovered_at and the rest of `_MEMBERS`, the lead
    first, one for each credential. `recovered` of the practices look over altogether, at `stopped`
    a breaker is open. `zone` is None where
    their practices' zones differ."""

    members: Sequence[Any]
    practices: int
    recovered: int
    stopped: int
    zone: str | None


async def read_whole(
    connection: Connection, incident: Any, about: About
) -> tuple[Any, dict[str, Any], Group | None]:
    """An incident as it stands with everybody it leads, its facts, and the group if it leads one.

    `about` is what its rule counts. Whoever may not see the others' practices reads their own.
    """
    of_house = incident["integration"] == HOUSE
    group = None if of_house else await _read_group(connection, incident["id"])
    if group is None:
        return incident, await read_facts(connection, incident, (), about), None
    whole = _whole(incident, group)
    return whole, await read_facts(connection, whole, group.members, about), group


async def members_of(connection: Connection, incident_id: UUID) -> list[tuple[UUID, str]]:
    """Each incident of a group that is not resolved, with its practice's name, the lead first;
    empty where it leads none. Runs as on-call."""
    rows = await connection.fetch(_MEMBERS, incident_id)
    opened = [row for row in rows if row["status"] != "resolved"]
    return [(r["id"], r["practice_name"] or "all") for r in opened] if len(opened) > 1 else []


async def _read_group(connection: Connection, incident_id: UUID) -> Group | None:
    members = await connection.fetch(_MEMBERS, incident_id)
    if len(members) < 2:
        return None
    zones = {member["timezone"] for member in members}
    practices = {member["practice_id"] for member in members}
    return Group(
        members=list(members),
        practices=len(practices),
        recovered=len(practices - {m["practice_id"] for m in members if _over_at(m) is None}),
        stopped=len({m["practice_id"] for m in members if m["breaker"] == "open"}),
        zone=zones.pop() if len(zones) == 1 else None,
    )


def _whole(incident: Any, group: Group) -> Mapping[str, Any]:
    """It began with the first, is over with the last, and the last good call is anybody's. No one
    credential is behind it."""
    over = [_over_at(member) for member in group.members]
    good = [member["last_good_at"] for member in group.members if member["last_good_at"]]
    ended = [moment for moment in over if moment is not None]
    since = [member["over_since"] or member["resolved_at"] for member in group.members]
    return {
        **dict(incident),
        "since": min(member["since"] for member in group.members),
        "recovered_at": max(ended) if len(ended) == len(over) else None,
        "over_since": max(since) if len(ended) == len(over) else None,
        "last_good_at": max(good, default=None),
        # Of a practice's several credentials it is that one's still.
        "practice_name": incident["practice_name"]
        if group.practices == 1
        else words.count(group.practices, "practice"),
        "practice_timezone": group.zone,
        "endpoint": None,
    }


def _over_at(member: Any) -> datetime | None:
    moment: datetime | None = member["recovered_at"] or member["resolved_at"]
    return moment
