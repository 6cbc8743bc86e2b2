"""What a provider took and never spoke of again, though it was asked: before a person for a week.

It stays accepted: late news moves it, and it leaves the list by itself. Nothing goes twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mentalspace.engine.db import Connection
from mentalspace.engine.silence import MOST_QUESTIONS

# Afterwards it helps nobody to ask: the appointment is over, and providers forget.
STAYS_DAYS = 7
# At once: each is a question to the provider.
MOST_AT_ONCE = 1000

# As the index has it, in the same words. A provider that never says more is asked nothing.
UNHEARD = f"""
status = 'accepted' and ask_at is null and questions >= {MOST_QUESTIONS} and not put_away
"""
_OF_LATE = f"{UNHEARD} and accepted_at > app.now() - interval '{STAYS_DAYS} days'"
_READ = f"""
select d.integration, c.provider, count(*) as number,
       count(distinct d.recipient_key) as people, min(d.accepted_at) as oldest_at
  from (select integration, credential_id, recipient_key, accepted_at from delivery
         where {_OF_LATE} and drill is null) d
  join credential c on c.id = d.credential_id
 group by 1, 2 order by 5
"""
COUNT = f"select count(*) from delivery where {_OF_LATE} and drill is null"
_CHANGE = f"""
with chosen as (
  select id from delivery
   where {_OF_LATE} and drill is null and integration = $1
     and credential_id in (select id from credential where provider = $2)
   order by accepted_at limit {MOST_AT_ONCE} for update skip locked
), moved as (
  update delivery d set {{change}} from chosen where d.id = chosen.id
  returning d.id, d.practice_id, d.lane_id
), said as (
  insert into timeline (practice_id, delivery_id, lane_id, kind, actor)
  select practice_id, id, lane_id, $3, $4 from moved
)
select count(*) from moved
"""
_ASK = _CHANGE.format(change="ask_at = app.now()")
_PUT_AWAY = _CHANGE.format(change="put_away = true")


@dataclass(frozen=True, slots=True)
class Unheard:
    """Deliveries that one provider took and is silent about. `people` counts recipients."""

    integration: str
    provider: str
    number: int
    people: int
    oldest_at: datetime


async def read_unheard(connection: Connection) -> Sequence[Unheard]:
    """What the caller may see of them, the oldest first."""
    return [Unheard(**dict(row)) for row in await connection.fetch(_READ)]


async def ask_once_more(connection: Connection, actor: str, integration: str, provider: str) -> int:
    """Have the provider asked again, now; how many. Still silent, they come back."""
    count: int = await connection.fetchval(_ASK, integration, provider, "asked_once_more", actor)
    return count


async def put_away(connection: Connection, actor: str, integration: str, provider: str) -> int:
    """Somebody has seen to them; how many. They stay accepted."""
    count: int = await connection.fetchval(_PUT_AWAY, integration, provider, "put_away", actor)
    return count
