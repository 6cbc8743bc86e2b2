"""What a drill pretends has gone before: earlier weeks, a long wait, a lane that does not move."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mentalspace.engine.db import connect_owner
from mentalspace.engine.runbook.drill import Param
from mentalspace.engine.services import Services

_LOOK_EVERY_S = 0.2

# Taken and delivered, in the past only: nobody asks after them, and nothing of them is kept.
_TAKEN = """
insert into delivery (practice_id, lane_id, credential_id, integration, kind, recipient_key, status,
  idempotency_key, due_at, next_attempt_at, accepted_at, ended_at, purged_at, traceparent, drill)
select c.practice_id, l.id, c.id, c.integration, 'sample', 'history-' || n, 'delivered',
       concat_ws('/', c.integration, 'drill', c.drill, 'history', gen_random_uuid()),
       t.at, t.at, t.at, t.at + interval '1 s', app.now(), 'history', c.drill
  from credential c join lane l on l.credential_id = c.id and l.class = 'interactive'
 cross join generate_series(1, $2::int) as n
 cross join lateral (
   select app.now() - $4 * interval '7 days'
          - (n - 0.5) / $2::float8 * $3 * interval '1 s' as at) t
 where c.id = $1
"""
_HEARD = """
insert into inbox (practice_id, credential_id, integration, provider, external_id, payload, state,
  received_at, processed_at, dated_at, drill)
select c.practice_id, c.id, c.integration, c.provider, 'history-' || n, '', 'processed',
       t.at, t.at, t.at - $4 * interval '1 s', c.drill
  from credential c cross join generate_series(1, $2::int) as n
 cross join lateral (select app.now() - (n / $2::float8) * $3 * interval '1 s' as at) t
 where c.id = $1
"""
_OPEN = """
update practice set opening = (select jsonb_agg(jsonb_build_array(0, 1440))
                                 from generate_series(1, 7)) where id = $1 and is_drill
"""
_STALL = """
update credential_state set next_slot_at = clock_timestamp() + $2 * interval '1 s'
 where credential_id = $1
"""
_PRESS_ON = """
update delivery set next_attempt_at = app.now()
 where credential_id = $1 and status in ('pending', 'unknown') and attempts > 0
"""
_REACHED: Mapping[str, str] = {
    "due": "select true",
    "accepted": "select bool_and(status in ('accepted', 'delivered')) from delivery"
    " where credential_id = $1",
    "question": "select bool_and(ask_at is not null) from delivery where credential_id = $1"
    " and traceparent <> 'history'",
    "answer": "select count(*) > 0 and bool_and(q.answer is not null) from delivery d"
    " left join callback_question q on q.delivery_id = d.id"
    " where d.credential_id = $1 and d.traceparent <> 'history'",
    "breaker": "select breaker <> 'closed' from credential_state where credential_id = $1",
}
_AGE: Mapping[str, str] = {
    "due": "update delivery set due_at = due_at - $2 * interval '1 s'"
    " where credential_id = $1 and accepted_at is null",
    "accepted": "update delivery set accepted_at = accepted_at - $2 * interval '1 s'"
    " where credential_id = $1 and traceparent <> 'history'",
    "question": "update delivery set ask_at = ask_at - $2 * interval '1 s'"
    " where credential_id = $1 and traceparent <> 'history'",
    "answer": "update callback_question"
    " set ended_at = coalesce(ended_at, asked_at) - $2 * interval '1 s' where credential_id = $1",
    "breaker": "update credential_state set opened_at = opened_at - $2 * interval '1 s'"
    " where credential_id = $1",
}


@dataclass(frozen=True, slots=True)
class History:
    """So many messages within the last `within_s`, or in those of each of `weeks` weeks before;
    `heard` callbacks within the last `within_s`, each `late_s` after what it tells."""

    count: int
    within_s: float
    weeks: int
    heard: int
    late_s: float

    @classmethod
    def of(cls, params: Mapping[str, Param]) -> History:
        return cls(
            count=int(params["count"]),
            within_s=float(params["within_s"]),
            weeks=int(params.get("weeks", 0)),
            heard=int(params.get("heard", 0)),
            late_s=float(params.get("late_s", 0)),
        )


async def write_history(services: Services, credential_id: UUID, history: History) -> None:
    async with connect_owner(services.admin_url) as owner:
        for week in range(1, history.weeks + 1) if history.weeks else (0,):
            await owner.execute(_TAKEN, credential_id, history.count, history.within_s, week)
        if history.heard:
            await owner.execute(
                _HEARD, credential_id, history.heard, history.within_s, history.late_s
            )


async def keep_open(services: Services, practice_id: UUID) -> None:
    async with connect_owner(services.admin_url) as owner:
        await owner.execute(_OPEN, practice_id)


async def stall(services: Services, credential_id: UUID, for_s: float) -> None:
    async with connect_owner(services.admin_url) as owner:
        await owner.execute(_STALL, credential_id, for_s)


async def age(
    services: Services, credential_id: UUID, params: Mapping[str, Param], within_s: float
) -> None:
    """Once what it is of has come about, it came about `by_s` earlier. Raises TimeoutError."""
    of, by_s = str(params["of"]), float(params["by_s"])
    if of not in _AGE:
        raise LookupError(f"a drill cannot age {of!r}; it can {', '.join(_AGE)}")
    async with connect_owner(services.admin_url) as owner:
        await _reached(owner, of, credential_id, within_s)
        await owner.execute(_AGE[of], credential_id, by_s)


async def _reached(owner: Any, of: str, credential_id: UUID, within_s: float) -> None:
    """A breaker opens only by tries, so whatever waits for its next one is pressed on."""
    ends = time.monotonic() + within_s
    asked = () if of == "due" else (credential_id,)
    while not await owner.fetchval(_REACHED[of], *asked):
        if time.monotonic() > ends:
            raise TimeoutError(f"nothing came to be {of} within {within_s:g} s")
        if of == "breaker":
            await owner.execute(_PRESS_ON, credential_id)
        await asyncio.sleep(_LOOK_EVERY_S)
