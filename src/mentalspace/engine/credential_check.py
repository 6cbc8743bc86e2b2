"""Asks each provider a harmless question now and then, so that a key that was revoked is found
before it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.adapters import Adapters
from mentalspace.engine.db import Connection, Database
from mentalspace.engine.log import get_logger
from mentalspace.engine.runbook import Runbooks
from mentalspace.engine.secrets import SealBroken
from mentalspace.kernel.case import classify
from mentalspace.kernel.errors import Evidence, ProviderError, Refused

LOOK_EVERY_S = 5.0
# A sandbox is asked oftener; and whoever failed, until it has answered a few times.
_ASK_EVERY_S = 300.0
_ASK_SANDBOX_EVERY_S = 60.0
_ASK_AGAIN_S = 20.0
_ANSWERS_WITHIN_S = 8.0
_AT_A_TIME = 20
_AT_ONCE = 5
# One question that is not answered may be anything; a refusal is one at once.
_SURE_AFTER = 2
_REMEMBERED = 6

log = get_logger(__name__)

# Who has sent well lately need not be asked; a credential is first asked when it has stood a while.
# Taken before it is asked: of several workers one does.
_TAKE = f"""
with due as (
  select c.id, c.practice_id, c.integration, c.provider, c.live,
         case when k.recent like '%F%' then {_ASK_AGAIN_S}
              when c.live then {_ASK_EVERY_S} else {_ASK_SANDBOX_EVERY_S} end as every_s
    from credential c join practice p on p.id = c.practice_id
    left join credential_state s on s.credential_id = c.id
    left join credential_check k on k.credential_id = c.id
   where c.active and c.drill is null and not p.is_drill
     and (k.recent like '%F%' or k.credential_id is null
       or s.last_good_at is null or s.last_good_at < app.now() - interval '1 min')
   order by k.asked_at nulls first
), taken as (
  insert into credential_check as k (credential_id, practice_id)
  select id, practice_id from due where not exists (
    select from credential_check o where o.credential_id = due.id
       and o.asked_at > clock_timestamp() - due.every_s * interval '1 s')
   limit {_AT_A_TIME}
  on conflict (credential_id) do update set asked_at = clock_timestamp()
  returning k.credential_id, xmax = 0 as is_new
)
select due.* from taken join due on due.id = taken.credential_id where not taken.is_new
"""
# What the last bad answer said stays, for whoever answers in part.
_KEEP = f"""
update credential_check
   set answered_at = app.now(), good = $2, case_id = coalesce($3, case_id),
       fault = coalesce($4, fault), said = case when $2 then said else $5 end,
       recent = right(recent || case when $2 then 'S' else 'F' end, {_REMEMBERED}),
       since = case when good is not distinct from $2 then since else app.now() end
 where credential_id = $1
"""
# What a person asked for; of a good answer that follows another nothing is new.
_KEEP_GOOD = f"""
update credential_check k
   set answered_at = app.now(), good = true,
       recent = right(recent || 'S', {_REMEMBERED}),
       since = case when good then since else app.now() end
 where credential_id = $1
   and (recent like '%F' or answered_at is null or answered_at < (
     select max(a.finished_at) from attempt a
      where a.credential_id = k.credential_id and a.fault in ('ours', 'theirs')))
"""
# The case of the last bad answer stays: its rule is told that it is over. What has gone well since
# says more.
_READ = """
select k.credential_id, k.since, k.case_id, k.fault, k.said, k.recent
  from credential_check k left join credential_state s on s.credential_id = k.credential_id
 where k.recent like '%F%' and k.answered_at > coalesce(s.last_good_at, '-infinity')
"""


@dataclass(frozen=True, slots=True)
class Checked:
    """How a provider answers a harmless question: `recent` are the last few, S or F, the newest
    last, which is so `since`. `said` is its last bad answer, and names nobody."""

    since: datetime
    case_id: str | None
    fault: str
    said: str
    recent: str

    @property
    def is_bad(self) -> bool:
        """The last answer was, and it is no chance."""
        refused = self.fault == "ours" or self.recent.count("F") >= _SURE_AFTER
        return self.recent.endswith("F") and refused

    @property
    def is_partly_bad(self) -> bool:
        return not self.is_bad and self.recent.count("F") >= _SURE_AFTER

    @property
    def words(self) -> str:
        if (self.is_bad and self.fault == "ours") or "S" not in self.recent:
            return f"{self.said}; found by our own check at {self.since:%H:%M} UTC"
        return (
            f"{self.said}; so ended {self.recent.count('F')} of our own last {len(self.recent)}"
            " checks"
        )


async def check_credentials(database: Database, adapters: Adapters, runbooks: Runbooks) -> int:
    """Ask whoever's turn it is; how many. Several workers may."""
    async with database.as_dispatcher() as connection:
        rows = await connection.fetch(_TAKE)
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(row: Any) -> None:
        async with turn:
            answer = await _ask(adapters, runbooks, row)
        async with database.as_dispatcher() as connection:
            await connection.execute(_KEEP, row["id"], *answer)

    await asyncio.gather(*(one(row) for row in rows))
    return len(rows)


async def note_good_answer(connection: Connection, credential_id: UUID) -> None:
    """Whoever asked the same question was answered well, and that is news. As the dispatcher."""
    await connection.execute(_KEEP_GOOD, credential_id)


async def read_checked(connection: Connection) -> Mapping[UUID, Checked]:
    """Whoever gave a bad answer of late, by credential. As on-call."""
    return {
        row["credential_id"]: Checked(
            row["since"],
            row["case_id"],
            row["fault"] or "ours",
            row["said"],
            row["recent"],
        )
        for row in await connection.fetch(_READ)
    }


async def _ask(
    adapters: Adapters, runbooks: Runbooks, row: Any
) -> tuple[bool, str | None, str | None, str]:
    """Whether it answered well; else by which case, whose it is, and in which words."""
    title = adapters.rooms[row["integration"]].provider(row["provider"]).title
    try:
        async with asyncio.timeout(_ANSWERS_WITHIN_S):
            await (await adapters.of(row["practice_id"], row["id"])).check()
    except (ProviderError, TimeoutError) as error:
        seen = error.evidence if isinstance(error, ProviderError) else Evidence("timeout")
        case = classify(runbooks.room(row["integration"]).cases_for(row["provider"]), seen)
        log.warning("credential_check_failed", case=case.id)
        return False, case.id, case.fault.value, f"{title} answered {seen.summary()}: {case.title}"
    except (Refused, SealBroken, LookupError) as error:
        log.warning("credential_check_failed", error=type(error).__name__)
        return False, None, "ours", f"{title} could not be asked with what is stored here"
    return True, None, None, title
