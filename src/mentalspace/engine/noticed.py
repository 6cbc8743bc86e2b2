"""What another watcher saw by our rules: it joins the incident that is open, or opens one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from mentalspace.engine.alerts import EVALUATION_LOCK
from mentalspace.engine.db import Connection
from mentalspace.engine.incidents import NewIncident, open_incident, pooled_key
from mentalspace.engine.ledger import record
from mentalspace.engine.runbook import AlertRule, Runbooks

ACTOR = "alertmanager"

Outcome = Literal["opened", "known", "ignored"]

# The same rule's, of the same provider; opened by our evaluator for one credential, or by an
# earlier word of this kind for all of them.
_OPEN = """
select i.id, i.facts ? 'prometheus_since' as told, i.facts ? 'prometheus_resolved_at' as ended
  from incident i left join credential c on c.id = i.credential_id
 where i.rule_id = $1 and i.status <> 'resolved' and i.drill is null
   and ($2::text is null or c.id is null or c.provider = $2)
 order by i.opened_at limit 1
"""
_TELL = """
update incident set facts = (facts - 'prometheus_resolved_at')
                            || jsonb_build_object('prometheus_since', $2::text)
 where id = $1
"""
_END = """
update incident
   set facts = facts || jsonb_build_object('prometheus_resolved_at', app.now()::text)
 where id = $1
"""


@dataclass(frozen=True, slots=True)
class Noticed:
    """A rule that holds elsewhere. `provider` is None where they are not told apart there."""

    room: str
    rule: AlertRule
    provider: str | None
    since: datetime


async def notice(connection: Connection, runbooks: Runbooks, noticed: Noticed) -> Outcome:
    """Once an incident knows of it, hearing it again changes nothing. As the dispatcher."""
    # Our evaluator may be opening the same one at this moment.
    await connection.execute("select pg_advisory_xact_lock($1)", EVALUATION_LOCK)
    rule = noticed.rule
    row = await connection.fetchrow(_OPEN, rule.id, noticed.provider)
    if row is None:
        await open_incident(
            connection, runbooks.escalation, _incident(runbooks, noticed), actor=ACTOR
        )
        return "opened"
    if not row["told"] or row["ended"]:
        await connection.execute(_TELL, row["id"], noticed.since.isoformat())
        await _record(connection, "seen_by_prometheus", row["id"])
    return "known"


async def note_end(connection: Connection, noticed: Noticed) -> Outcome:
    """It does not hold elsewhere any more, or nothing is seen there. Only our own count, or a
    person, ends an incident."""
    row = await connection.fetchrow(_OPEN, noticed.rule.id, noticed.provider)
    if row is None or row["ended"] or not row["told"]:
        return "known" if row else "ignored"
    await connection.execute(_END, row["id"])
    await _record(connection, "prometheus_resolved", row["id"])
    return "known"


def _incident(runbooks: Runbooks, noticed: Noticed) -> NewIncident:
    rule = noticed.rule
    return NewIncident(
        key=pooled_key(rule.id, noticed.provider),
        rule_id=rule.id,
        case_id=rule.cases[0] if len(rule.cases) == 1 else None,
        integration=noticed.room,
        credential_id=None,
        practice_id=None,
        severity=rule.severity,
        title=rule.title,
        fault=rule.fault.value if rule.fault else "unclear",
        since=noticed.since,
        facts={
            "prometheus_since": noticed.since.isoformat(),
            "provider": noticed.provider,
            "first_step": runbooks.room(noticed.room).step(rule, noticed.provider),
        },
        drill=None,
    )


async def _record(connection: Connection, kind: str, incident_id: UUID) -> None:
    await record(connection, kind, incident_id=incident_id, actor=ACTOR)
