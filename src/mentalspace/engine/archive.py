"""An archived incident is out of sight until it gets worse: many more people, or a graver case."""

from __future__ import annotations

from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.escalation import reopen
from mentalspace.engine.grouping import RANK
from mentalspace.engine.ledger import record
from mentalspace.engine.runbook import Escalation
from mentalspace.kernel.case import Severity

# So many times the people it was archived with, and at least so many more.
FACTOR = 2
AT_LEAST = 5

_PEOPLE = """
coalesce((facts ->> 'group_people')::bigint, (facts ->> 'failed_recipients')::bigint, 0)
"""
_ARCHIVE = f"""
update incident set archived_at = app.now(), archived_by = $2, archived_severity = severity,
       archived_people = {_PEOPLE}, next_escalation_at = null,
       acknowledged_at = coalesce(acknowledged_at, app.now()),
       acknowledged_by = coalesce(acknowledged_by, $2), status = 'acknowledged'
 where id = $1 and status <> 'resolved' and archived_at is null
returning drill, archived_people as people
"""
_WORSE = f"""
select id, severity, drill, {_PEOPLE} as people, archived_people
  from incident
 where archived_at is not null and status <> 'resolved'
   and ({_PEOPLE} >= greatest(archived_people * {FACTOR}, archived_people + {AT_LEAST})
        or {RANK.format("severity")} < {RANK.format("archived_severity")})
 for update skip locked
"""


async def archive(connection: Connection, incident_id: UUID, actor: str) -> bool:
    """Put it out of sight until it gets worse. False if it is resolved or archived already."""
    row = await connection.fetchrow(_ARCHIVE, incident_id, actor)
    if row is None:
        return False
    await record(
        connection,
        "archived",
        incident_id=incident_id,
        data={"people": row["people"]},
        actor=actor,
        drill=row["drill"],
    )
    return True


async def unarchive(connection: Connection, incident_id: UUID, actor: str) -> bool:
    """Somebody wants to see it again; nobody is paged. False if it is not archived."""
    found = await connection.fetchval(
        "update incident set archived_at = null where id = $1 and archived_at is not null"
        " and status <> 'resolved' returning true",
        incident_id,
    )
    if found is None:
        return False
    await record(connection, "unarchived", incident_id=incident_id, actor=actor)
    return True


async def bring_back(connection: Connection, escalation: Escalation) -> int:
    """Open again, with its pages, what got worse in the archive; how many."""
    rows = await connection.fetch(_WORSE)
    for row in rows:
        await connection.execute("update incident set archived_at = null where id = $1", row["id"])
        told = {"people": row["people"], "before": row["archived_people"]}
        rung = escalation.rung(Severity(row["severity"]))
        await reopen(connection, row["id"], rung, row["drill"], "got_worse", data=told)
    return len(rows)
