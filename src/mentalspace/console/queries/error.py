"""Errors by case: how often, to how many people, since when and until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from mentalspace.engine.db import Connection

DAYS = 14
BEHIND_DAYS = 90

# One line for each try that failed, and one for each event that is trouble; the days are the
# reader's. From the few lines to their messages, not the other way round, whatever the planner
# thinks of the policies: hence `materialized` and `offset 0`.
_ERRORS = f"""
with told as materialized (
  select data ->> 'case' as case_id, at, delivery_id from timeline
   where (kind = 'classified' or kind = 'provider_event' and data ? 'case')
     and at > app.now() - interval '{BEHIND_DAYS} days'
), seen as materialized (
  select t.case_id, d.integration, c.provider, d.recipient_key, t.delivery_id,
         t.at, (t.at at time zone $1)::date as day, (app.now() at time zone $1)::date as today
    from told t cross join lateral (
      select integration, recipient_key, credential_id, drill from delivery
       where id = t.delivery_id offset 0) d
    join credential c on c.id = d.credential_id
   where ($2 or d.drill is null) and ($3 = '' or d.integration = $3)
), days as (
  select case_id, integration, day, count(*) as number from seen
   where day > today - {DAYS} group by 1, 2, 3
)
select case_id, integration, array_agg(distinct provider order by provider) as providers,
       count(*) as number, count(*) filter (where day = today) as of_today,
       count(*) filter (where day > today - 7) as of_week, min(today) as today,
       count(distinct recipient_key) as people, count(distinct delivery_id) as messages,
       min(at) as first_at, max(at) as last_at,
       (select coalesce(jsonb_object_agg(days.day, days.number), '{{}}') from days
         where days.case_id = seen.case_id and days.integration = seen.integration) as days
  from seen group by 1, 2 order by max(at) desc
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """One case of one integration. `days` are its last fourteen, the oldest first."""

    case_id: str
    integration: str
    providers: Sequence[str]
    number: int
    of_today: int
    of_week: int
    people: int
    messages: int
    first_at: datetime
    last_at: datetime
    days: Sequence[tuple[date, int]]


async def read_errors(
    connection: Connection, zone: str, *, integration: str, drills: bool
) -> list[Seen]:
    """Those of the last ninety days, the latest first."""
    rows = await connection.fetch(_ERRORS, zone, drills, integration)
    return [_seen(row) for row in rows]


def _seen(row: Any) -> Seen:
    told = {name: row[name] for name in Seen.__slots__ if name != "days"}
    days = [row["today"] - timedelta(days=ago) for ago in reversed(range(DAYS))]
    counts = row["days"]
    return Seen(**told, days=[(day, counts.get(day.isoformat(), 0)) for day in days])
