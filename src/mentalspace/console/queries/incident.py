"""Incidents: those that are open, put away or past, and the pages of one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from mentalspace.console.queries.recovering import OVER_SINCE, RECOVERING
from mentalspace.engine.alert_silence import SILENCED_UNTIL
from mentalspace.engine.db import Connection

# The last reason for which it is open again; it shows only while it is.
_RETURNED = """
(select t.kind from timeline t where t.incident_id = i.id
    and t.kind in ('incident_regressed', 'got_worse', 'acknowledgment_lapsed', 'cause_changed')
  order by t.id desc limit 1) as returned
"""
# Who closed it while it lasted, if it is open because of that.
_CLOSED_AT = "back.closed_at, back.closed_by"
_BACK = """
left join lateral (
  select (t.data ->> 'closed_at')::timestamptz as closed_at, t.data ->> 'by' as closed_by
    from timeline t where t.incident_id = i.id
     and (t.kind = 'incident_regressed' or t.kind = 'cause_changed' and t.data ? 'closed_at')
   order by t.id desc limit 1) back on i.status <> 'resolved'
"""
_LIST = f"""
select i.id, i.rule_id, i.title, i.severity, i.fault, i.status, i.integration, i.opened_at, i.since,
       i.recovered_at, i.resolved_at, i.ack_due_at, i.acknowledged_at, i.acknowledged_by,
       i.resolved_by, i.next_escalation_at, i.resolve_due_at, i.drill, i.facts, i.case_id,
       i.archived_at, p.name as practice_name, c.provider, {_RETURNED}, {_CLOSED_AT}, {OVER_SINCE},
       mending.recovering_since
  from incident i left join practice p on p.id = i.practice_id
  left join credential c on c.id = i.credential_id
  {_BACK} {RECOVERING}
"""
# Who is led by an incident that the reader sees stands on that one's page.
NOT_LED = "not exists (select from incident l where l.id = i.lead_id)"
_OPEN = (
    _LIST
    + f"""
 where i.status <> 'resolved' and i.drill is null and i.archived_at is null and {NOT_LED}
 order by case when i.recovered_at is not null then 2
               when mending.recovering_since is not null then 1 else 0 end,
   i.status = 'acknowledged',
   array_position(array['critical', 'high', 'medium', 'low'], i.severity), i.opened_at
"""
)
_ARCHIVED = (
    _LIST
    + f"""
 where i.status <> 'resolved' and i.archived_at is not null and {NOT_LED} order by i.archived_at
"""
)
_RECENT = (
    _LIST
    + f"""
 where (i.status = 'resolved' or i.drill is not null) and {NOT_LED}
 order by i.opened_at desc limit 50
"""
)
_ONE = f"""
select i.*, {_RETURNED}, {_CLOSED_AT}, {SILENCED_UNTIL} as silenced_until, p.name as practice_name,
       p.slug as practice_slug, p.timezone as practice_timezone, c.provider,
       c.endpoint, c.live, c.test_only, s.breaker, s.open_until, s.last_good_at, {OVER_SINCE},
       mending.recovering_since
  from incident i left join practice p on p.id = i.practice_id
  left join credential c on c.id = i.credential_id
  left join credential_state s on s.credential_id = i.credential_id
  {_BACK} {RECOVERING}
 where i.id = $1
"""
# A way bears the name of whoever was reached by it then, whoever has the shift now.
_PAGES = """
select p.target, p.meant, p.step, p.state, p.tries, p.error, p.created_at, p.sent_at,
       coalesce((select jsonb_agg(jsonb_build_object(
           'label', s.label, 'state', s.state, 'error', s.error) order by s.at, s.channel)
         from page_send s where s.page_id = p.id), '[]') as ways
  from page p where p.incident_id = $1 order by p.created_at, p.target
"""


async def open_incidents(connection: Connection) -> list[Any]:
    """Real ones nobody has closed: what burns, what is recovering, what is over; of each the most
    urgent first."""
    return list(await connection.fetch(_OPEN))


async def archived_incidents(connection: Connection) -> list[Any]:
    """Known, and out of sight until they get worse."""
    return list(await connection.fetch(_ARCHIVED))


async def recent_incidents(connection: Connection) -> list[Any]:
    """Resolved ones and every drill's, newest first."""
    return list(await connection.fetch(_RECENT))


async def find_incident(connection: Connection, incident_id: UUID) -> Any | None:
    return await connection.fetchrow(_ONE, incident_id)


async def read_pages(connection: Connection, incident_id: UUID) -> list[Any]:
    """Who was paged when, and what became of each way to them. Runs as on-call."""
    return list(await connection.fetch(_PAGES, incident_id))
