"""At most so many requests a second for each provider credential, whoever sends them.

One row per credential holds the next free slot (GCRA) and what is known of the provider's own
window. Neither class reserves further ahead than it must: bulk only what is at hand, so that nobody
waits behind a backlog; interactive far enough to come first, and not so far that an answer could
no longer move a slot.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection, Database
from mentalspace.kernel.integration import LaneClass
from mentalspace.kernel.rate import RateLeft

# How far ahead a class may reserve. Bulk: enough to lose no slot to a round trip.
AHEAD_S: Mapping[LaneClass, float] = {"interactive": 0.6, "bulk": 0.2}
# A window whose first answer is still out is taken to have opened this much after its slot.
SLACK_S = 0.05
# What others took of a window says something of the next one, but not of one so much later.
OTHERS_STAY_S = 5.0

_READ = """
select c.rate_per_s as per_s, c.burst,
       extract(epoch from s.next_slot_at)::float8 as next_at,
       case when s.slow_until > clock_timestamp() then s.slow_interval_s end as slow_interval_s,
       s.named_limit, s.named_window_s, s.window_number,
       extract(epoch from s.window_at)::float8 as window_at, s.window_used,
       extract(epoch from s.window_open_by)::float8 as window_open_by,
       s.others, s.others_before
  from credential_state s join credential c on c.id = s.credential_id
 where s.credential_id = $1
"""
# The moment is asked for once the row is locked, or it would be the one before the wait.
_LOCK = f"""
with locked as materialized ({_READ} for update of s)
select *, extract(epoch from clock_timestamp())::float8 as now from locked
"""
_LOOK = f"""
with seen as materialized ({_READ})
select *, extract(epoch from clock_timestamp())::float8 as now from seen
"""
_WRITE = """
update credential_state set next_slot_at = to_timestamp($2), named_limit = $3,
  named_window_s = $4, window_number = $5, window_at = to_timestamp($6), window_used = $7,
  window_open_by = to_timestamp($8), others = $9, others_before = $10
 where credential_id = $1
"""


@dataclass(frozen=True, slots=True)
class Slot:
    """Leave to make one request `at` a moment: the `place`th of ours in a window."""

    at: float
    window: int
    place: int


@dataclass(frozen=True, slots=True)
class Pace:
    """What a credential's requests keep to. Instants are seconds of one clock, any clock.

    A provider that names a limit counts within windows, each opened by the first request after
    the last one has ended. `window_open_by` is when ours had surely opened, once its first
    request is answered; `others` is what others took of it.
    """

    per_s: float
    burst: int
    next_at: float
    slow_interval_s: float | None = None
    named_limit: int | None = None
    named_window_s: float = 1.0
    window_number: int = 0
    window_at: float | None = None
    window_used: int = 0
    window_open_by: float | None = None
    others: int = 0
    others_before: int = 0

    @property
    def interval_s(self) -> float:
        """Between two requests: the credential's own rate, or a slower one we were told."""
        named = self.named_window_s / self.named_limit if self.named_limit else 0.0
        return max(1 / self.per_s, self.slow_interval_s or 0.0, named)

    def next_slot(self, now: float, weight: int = 1) -> tuple[Slot, Pace]:
        """The next free slot, and the pace once it is taken by what weighs so much."""
        interval_s = self.interval_s
        at = max(self.next_at, now - (self.burst - 1) * interval_s)
        ends = self._window_ends()
        if max(at, now) < ends and self._window_full():
            at = ends
        later = replace(self, next_at=at + weight * interval_s)
        if max(at, now) >= ends:
            later = later._opened(max(at, now), ends)
        place = later.window_used + 1
        return Slot(at, later.window_number, place), replace(later, window_used=place)

    def heard(self, slot: Slot, rate: RateLeft, at: float) -> Pace:
        """The pace after the answer to a slot's request, which came in `at` a moment."""
        told = replace(self, named_limit=rate.limit, named_window_s=rate.window_s)
        if slot.window != self.window_number:
            return told
        others = rate.limit - rate.remaining - slot.place
        return replace(
            told,
            others=max(self.others, others),
            window_open_by=at if slot.place == 1 else self.window_open_by,
        )

    def _window_ends(self) -> float:
        if self.window_at is None:
            return float("-inf")
        opened = self.window_open_by
        if opened is None:
            opened = self.window_at + SLACK_S
        return opened + self.named_window_s

    def _window_full(self) -> bool:
        if self.named_limit is None:
            return False
        return self.window_used + max(self.others, self.others_before) >= self.named_limit

    def _opened(self, at: float, last_ended: float) -> Pace:
        """In a new window. Others are expected to take what they took of the last one, though
        they never take all of it: one request at least is how we hear that they are gone."""
        before = self.others if at - last_ended < OTHERS_STAY_S else 0
        return replace(
            self,
            window_number=self.window_number + 1,
            window_at=at,
            window_used=0,
            window_open_by=None,
            others=0,
            others_before=min(before, (self.named_limit or 1) - 1),
        )


async def slots_at_hand(
    connection: Connection, credential_id: UUID, lane_class: LaneClass, weights: Sequence[int]
) -> tuple[int, float]:
    """How many of these could be reserved now, and if none can, in how many seconds one can."""
    pace, now = await _read(connection, _LOOK, credential_id)
    ahead_s = AHEAD_S[lane_class]
    for count, weight in enumerate(weights):
        slot, pace = pace.next_slot(now, weight)
        if slot.at > now + ahead_s:
            return count, slot.at - now - ahead_s
    return len(weights), 0.0


async def take_slots(
    connection: Connection, credential_id: UUID, lane_class: LaneClass, weights: Sequence[int]
) -> list[Slot] | None:
    """Reserve one for each, their moments in this process's monotonic seconds; None if fewer are
    at hand. Locks the credential's state until the transaction ends."""
    if not weights:
        return []
    pace, now = await _read(connection, _LOCK, credential_id)
    here = time.monotonic()
    slots = []
    for weight in weights:
        slot, pace = pace.next_slot(now, weight)
        slots.append(replace(slot, at=here + slot.at - now))
    if slots[-1].at > here + AHEAD_S[lane_class]:
        return None
    await _write(connection, credential_id, pace)
    return slots


async def reserve_slot(
    database: Database, practice_id: UUID, credential_id: UUID, lane_class: LaneClass
) -> Slot:
    """The next slot, waited for until it is at hand."""
    while True:
        async with database.as_worker(practice_id) as connection:
            slots = await take_slots(connection, credential_id, lane_class, [1])
            if slots is not None:
                return slots[0]
            _, wait_s = await slots_at_hand(connection, credential_id, lane_class, [1])
        await asyncio.sleep(max(0.01, wait_s))


async def keep_slot(slot: Slot) -> None:
    """Sleep until the reserved moment."""
    await asyncio.sleep(max(0.0, slot.at - time.monotonic()))


async def note_rate(
    connection: Connection, credential_id: UUID, slot: Slot, rate: RateLeft, answered_at: float
) -> None:
    """Obey what the answer to a slot's request said; it came in at that monotonic moment."""
    for query in (_LOOK, _LOCK):
        # Its age is taken before the question: rather taken for later than it was than earlier.
        age_s = time.monotonic() - answered_at
        pace, now = await _read(connection, query, credential_id)
        told = pace.heard(slot, rate, now - age_s)
        if told == pace:
            return
    await _write(connection, credential_id, told)


async def slow_down(
    connection: Connection, credential_id: UUID, *, per_s: float, for_s: float
) -> Any:
    """Obey a lower rate for a while: what the provider's 429 asked for."""
    return await connection.execute(
        "update credential_state set slow_until = clock_timestamp() + $2 * interval '1 s',"
        " slow_interval_s = 1 / $3::float8 where credential_id = $1",
        credential_id,
        for_s,
        per_s,
    )


async def _read(connection: Connection, query: str, credential_id: UUID) -> tuple[Pace, float]:
    """The pace, and the moment it is."""
    row = await connection.fetchrow(query, credential_id)
    if row is None:
        raise LookupError("the credential has no state")
    values = dict(row)
    now: float = values.pop("now")
    return Pace(**values), now


async def _write(connection: Connection, credential_id: UUID, pace: Pace) -> None:
    await connection.execute(
        _WRITE,
        credential_id,
        pace.next_at,
        pace.named_limit,
        pace.named_window_s,
        pace.window_number,
        pace.window_at,
        pace.window_used,
        pace.window_open_by,
        pace.others,
        pace.others_before,
    )
