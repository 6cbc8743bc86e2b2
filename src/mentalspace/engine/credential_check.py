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
# A sandbox is asked oftener; and whoever failed, until it answers.
_ASK_EVERY_S = 300.0
_ASK_SANDBOX_EVERY_S = 60.0
_ASK_AGAIN_S = 20.0
_ANSWERS_WITHIN_S = 8.0
_AT_A_TIME = 20
_AT_ONCE = 5
# One question that is not answered may be anything; a refusal is one at once.
_SURE_AFTER = 2

log = get_logger(__name__)

# Who has sent well lately need not be asked; a credential is first asked when it has stood a while.
# Taken before it is asked: of several workers one does.
_TAKE = f"""
with due as (
  select c.id, c.practice_id, c.integration, c.provider, c.live,
         case when k.good is false then {_ASK_AGAIN_S}
              when c.live then {_ASK_EVERY_S} else {_ASK_SANDBOX_EVERY_S} end as every_s
    from credential c join practice p on p.id = c.practice_id
    left join credential_state s on s.credential_id = c.id
    left join credential_check k on k.credential_id = c.id
   where c.active and c.drill is null and not p.is_drill
     and (k.good is false or k.credential_id is null
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
_KEEP = """
update credential_check
   set answered_at = app.now(), good = $2, case_id = coalesce($3, case_id), fault = $4, said = $5,
       since = case when good is not distinct from $2 then since else app.now() end,
       times = case when good is not distinct from $2 then times + 1 else 1 end
 where credential_id = $1
"""
# The case of the last bad answer stays: its rule is told that it is over. What has gone well since
# says more.
_READ = """
select k.credential_id, k.since, k.times, k.case_id, k.fault, k.said
  from credential_check k left join credential_state s on s.credential_id = k.credential_id
 where k.good is false and k.answered_at > coalesce(s.last_good_at, '-infinity')
"""


@dataclass(frozen=True, slots=True)
class Checked:
    """A provider's bad answer to a harmless question, the first `since`, so many `times` in a row.
    `said` names nobody."""

    since: datetime
    times: int
    case_id: str | None
    fault: str
    said: str

    @property
    def is_sure(self) -> bool:
        return self.fault == "ours" or self.times >= _SURE_AFTER

    @property
    def words(self) -> str:
        return f"{self.said}; found by our own check at {self.since:%H:%M} UTC"


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


async def read_checked(connection: Connection) -> Mapping[UUID, Checked]:
    """The bad answers, by credential. As on-call."""
    return {
        row["credential_id"]: Checked(
            row["since"], row["times"], row["case_id"], row["fault"] or "ours", row["said"]
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
