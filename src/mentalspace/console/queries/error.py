"""Errors by case: how often, to how many people, since when and until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from mentalspace.engine.cause import sent_into
from mentalspace.engine.db import Connection
from mentalspace.engine.person import PERSON
from mentalspace.workflows.doctor.touched import COMING, ENDED_WITHOUT

DAYS = 14
BEHIND_DAYS = 90
# First seen so lately, a case is new; seen again so lately after so long a silence, it is back.
LATELY_DAYS = 7
QUIET_DAYS = 14

# One line for each try that failed, and one for each event that is trouble; the days are the
# reader's. What a question about an unknown outcome was answered is a later state of what the
# sending met, and stands beside it. From the few lines to their messages, not the other way round,
# whatever the planner thinks of the policies: hence `materialized` and `offset 0`.
_ERRORS = f"""
with told as materialized (
  select data ->> 'case' as case_id, at, delivery_id, data ->> 'disposition' as disposition,
         data ->> 'evidence' as evidence, data ->> 'said' as said
    from timeline
   where (kind = 'classified' or kind = 'provider_event' and data ? 'case')
     and at > app.now() - interval '{BEHIND_DAYS} days'
), seen as materialized (
  select coalesce(first.case_id, t.case_id) as case_id,
         nullif(t.case_id, coalesce(first.case_id, t.case_id)) as later,
         d.integration, c.provider, array[p.id::text, p.name] as practice,
         {PERSON} as person, t.delivery_id, t.evidence, t.said,
         t.at, (t.at at time zone $1)::date as day, (app.now() at time zone $1)::date as today
    from told t cross join lateral (
      select integration, client_id, recipient_key, credential_id, practice_id, drill from delivery
       where id = t.delivery_id offset 0) d
   cross join lateral (select case when t.disposition = 'reconcile'
      then {sent_into("t.delivery_id", "t.at")} end as case_id) first
    join practice p on p.id = d.practice_id
    join credential c on c.id = d.credential_id
   where ($2 or d.drill is null and not p.is_drill) and ($3 = '' or d.integration = $3)
     and ($4 = '' or c.provider = $4)
), days as (
  select case_id, integration, day, count(*) filter (where later is null) as number
    from seen group by 1, 2, 3
), lately as materialized (
  select distinct case_id, integration, later, delivery_id from seen where day > today - $5::int
), without as (
  select l.case_id, l.integration, count(distinct {PERSON}) as people, min(a.starts_at) as at
    from (select distinct case_id, integration, delivery_id from lately) l
    join delivery d on d.id = l.delivery_id {COMING}
   where d.status in ('pending', 'due', 'sending', 'unknown', 'held') or {ENDED_WITHOUT}
   group by 1, 2
)
select case_id, integration, array_agg(distinct provider order by provider) as providers,
       count(*) filter (where day > today - $5::int and later is null) as number,
       array_agg(distinct practice order by practice) filter (where day > today - $5::int)
         as practices,
       coalesce((select people from without w where w.case_id = seen.case_id
         and w.integration = seen.integration), 0) as people_left,
       (select at from without w where w.case_id = seen.case_id
         and w.integration = seen.integration) as next_at,
       (select jsonb_object_agg(later, messages) from (
          select later, count(*) as messages from lately l where l.later is not null
             and l.case_id = seen.case_id and l.integration = seen.integration
           group by 1) became) as later, min(today) as today,
       count(distinct person) filter (where day > today - $5::int) as people,
       count(distinct delivery_id) filter (where day > today - $5::int) as messages,
       min(at) as first_at, max(at) as last_at,
       (array_agg(evidence order by at desc) filter (where later is null))[1] as evidence,
       (array_agg(said order by at desc) filter (where later is null))[1] as said,
       (select jsonb_object_agg(days.day, days.number) from days
         where days.case_id = seen.case_id and days.integration = seen.integration) as days
  from seen group by 1, 2
having count(*) filter (where day > today - $5::int) > 0 order by max(at) desc
"""
# What was taken or ended, each practice on its own days.
_OF = """
select r.integration, r.provider,
       sum(r.delivered + r.silent + r.recipient + r.ours + r.theirs)::int8 as number
  from rollup_day r where r.credential_id = any ($1)
   and r.day > (app.now() at time zone $2)::date - $3::int
 group by 1, 2
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """One case of one integration within a window of days: tries that met it, their messages, and
    people. `people_left` of them are not reached as it stands, the first of whom comes at
    `next_at`. `later` are the cases that its trouble became, with their messages. `days` are its
    last fourteen, the oldest first; `first_at`, `last_at` and `new`, or how many days it was
    `quiet` before it came back lately, look ninety days behind."""

    case_id: str
    integration: str
    providers: Sequence[str]
    practices: Sequence[str]
    number: int
    people: int
    people_left: int
    next_at: datetime | None
    later: Mapping[str, int]
    messages: int
    first_at: datetime
    last_at: datetime
    days: Sequence[tuple[date, int]]
    new: bool
    quiet: int | None
    evidence: str | None = None
    said: str | None = None


async def read_errors(
    connection: Connection,
    zone: str,
    *,
    integration: str,
    provider: str,
    drills: bool,
    days: int,
) -> list[Seen]:
    """Those seen in the last `days`, today among them, the latest first."""
    rows = await connection.fetch(_ERRORS, zone, drills, integration, provider, days)
    return [_seen(row) for row in rows]


async def read_of(
    connection: Connection, credential_ids: Sequence[UUID], zone: str, days: int
) -> Mapping[tuple[str, str], int]:
    """All messages of the last `days` by integration and provider, as counted ahead. Runs as
    on-call, for the credentials that the visitor may see."""
    rows = await connection.fetch(_OF, list(credential_ids), zone, days)
    return {(row["integration"], row["provider"]): row["number"] for row in rows}


def came(days: Sequence[date], today: date) -> tuple[bool, int | None]:
    """Whether what was seen on these days is new, or how long it was quiet before it came back
    lately."""
    ordered = sorted(days)
    lately = today - timedelta(days=LATELY_DAYS)
    if ordered[0] > lately:
        return True, None
    quiet = [
        (after - before).days
        for before, after in pairwise(ordered)
        if after > lately and (after - before).days > QUIET_DAYS
    ]
    return False, quiet[-1] if quiet else None


def _seen(row: Any) -> Seen:
    counts = {date.fromisoformat(day): number for day, number in row["days"].items()}
    today = row["today"]
    told = {name: row[name] for name in _TOLD} | {"later": row["later"] or {}}
    # Two may bear one name.
    told["practices"] = [name for _id, name in row["practices"]]
    new, quiet = came(list(counts), today)
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    return Seen(**told, days=[(day, counts.get(day, 0)) for day in days], new=new, quiet=quiet)


_TOLD = (
    "case_id", "integration", "providers", "practices", "number", "people", "people_left",
    "next_at", "messages", "first_at", "last_at", "evidence", "said",
)  # fmt: skip
