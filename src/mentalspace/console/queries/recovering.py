"""Which incidents are about to be over, since when one is over, and which trouble is gone though
its lanes stand still: alike on an incident's page, in the lists and on the fleet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.kernel.case import ErrorCase

# Of the incident `i` and whoever it leads: each that is not over has a rule that holds no more, and
# nothing stands still there. It is over once that has lasted.
RECOVERING = """
left join lateral (
  select max(a.since) as recovering_since
    from incident m
    left join alert_state a on a.key = m.key and a.state = 'recovering'
     and not exists (select from lane l
                      where l.credential_id = m.credential_id and l.state = 'paused')
     and not exists (select from credential_state s
                      where s.credential_id = m.credential_id and s.breaker <> 'closed')
   where (m.id = i.id or m.lead_id = i.id) and m.status <> 'resolved' and m.recovered_at is null
  having count(*) = count(a.key)) mending on i.status <> 'resolved'
"""
# What the incident `i` is over since; its `recovered_at` is the end of the time it was watched.
OVER_SINCE = """
case when i.recovered_at is not null
     then least(i.recovered_at, (i.facts ->> 'over_since')::timestamptz) end as over_since
"""
# Lanes that a case paused stand until somebody resumes them. Only a question that can meet the
# trouble ($2 the case, $3 if any question does) and was answered after the last failure says
# anything: one that went well all along does not see it.
_ANSWERED = """
select min(k.answered_at) as at, count(*) as lanes, count(k.credential_id) as well
  from (select distinct credential_id from lane
         where credential_id = any ($1) and state = 'paused' and paused_case is not null
           and paused_until is null) stands
 cross join lateral (
   select max(a.finished_at) as at from attempt a
    where a.credential_id = stands.credential_id and a.fault in ('ours', 'theirs')) failed
  left join credential_check k on k.credential_id = stands.credential_id and k.good
   and k.answered_at > coalesce(failed.at, '-infinity')
   and ($3 or k.case_id = $2 or k.since > failed.at)
"""
# Of such a case the key itself is refused, whatever is asked with it.
_KEY_REFUSED = "unauthorized"


async def read_answered(
    connection: Connection, credentials: Sequence[UUID], case: ErrorCase | None
) -> datetime | None:
    """When our own check was answered well, after the last failure, wherever a case has paused
    lanes; None if that is not so everywhere, or nothing is paused by a case."""
    case_id = case.id if case else None
    by_key = case_id is not None and case_id.endswith(_KEY_REFUSED)
    row = await connection.fetchrow(_ANSWERED, list(credentials), case_id, by_key)
    at: datetime | None = row["at"] if row and row["lanes"] == row["well"] else None
    return at
