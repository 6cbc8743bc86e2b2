"""What was told as the provider's trouble turns out to be ours: it is somebody's to mend."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.escalation import reopen
from mentalspace.engine.incident_task import open_tasks
from mentalspace.engine.ledger import record
from mentalspace.engine.runbook import Rung

# Whoever led a group leaves it as it stands to the next of it: who has it, its clocks, its archive.
_HAND_OVER = """
with heir as (
  select id from incident where lead_id = $1
   order by status = 'resolved', opened_at, id limit 1
), led as (
  update incident m set lead_id = heir.id from heir where m.lead_id = $1 and m.id <> heir.id
)
update incident n set lead_id = null, status = l.status, escalation_step = l.escalation_step,
       acknowledged_at = l.acknowledged_at, acknowledged_by = l.acknowledged_by,
       ack_due_at = l.ack_due_at, next_escalation_at = l.next_escalation_at, rounds = l.rounds,
       resolve_due_at = l.resolve_due_at, resolve_within_s = l.resolve_within_s,
       archived_at = l.archived_at, archived_by = l.archived_by,
       archived_people = l.archived_people, archived_severity = l.archived_severity
  from heir, incident l
 where n.id = heir.id and l.id = $1 and n.status <> 'resolved'
returning n.id
"""
# Ours began with the first try that failed by what it is told as now, of whatever had failed by
# theirs before; the facts of an incident outlive what the next looks see. What a new secret is
# blamed for ($4, since when) was ours from its first try on, whatever those said.
_ALONE = """
update incident i set lead_id = null, archived_at = null, resolve_within_s = $2::integer,
       resolve_due_at = app.now() + $2 * interval '1 s',
       facts = i.facts - 'practices' - 'group_people'
         || jsonb_build_object('turned_case', $3::text)
         || case when $4::timestamptz is null then jsonb_build_object('turned_at', coalesce((
              select min(a.started_at) from attempt a
               where a.credential_id = i.credential_id and a.fault = 'ours'
                 and a.case_id is not distinct from i.case_id and a.finished_at >= i.since
                 and a.drill is not distinct from i.drill), app.now()))
            when $4 > i.since then jsonb_build_object('turned_at', $4) else '{}' end
  from incident before
 where i.id = $1 and before.id = i.id returning before.lead_id
"""


async def turn(
    connection: Connection, incident_id: UUID, rung: Rung, title: str, drill: str | None,
    told: Mapping[str, Any], entered: datetime | None = None,
) -> None:  # fmt: skip
    """It bears the new cause already: let it stand by itself, be nobody's again, page, and keep
    since when it is ours, and what it was told as. `told` is what the timeline says of it, with its
    case and the one before; `entered` is since when a new secret is blamed, if one is.

    Of a group the others keep what they share, under the next of them.
    """
    heir = await connection.fetchval(_HAND_OVER, incident_id)
    if heir is not None:
        await record(connection, "leads_now", incident_id=heir, actor="evaluator")
    led_by = await connection.fetchval(
        _ALONE, incident_id, rung.resolve_within_s, told["case_before"], entered
    )
    if led_by is not None:
        await open_tasks(connection, incident_id, rung, title, drill)
    kept = told if entered is None else {**told, "because": "entered"}
    await reopen(connection, incident_id, rung, drill, "cause_changed", data=kept)
