"""Opens attempts: what leaves, under which key and in which order, is on disk before it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from mentalspace.engine.db import Connection, Database
from mentalspace.engine.limiter import Slot, slots_at_hand, take_slots
from mentalspace.engine.parcel import Parcel
from mentalspace.kernel.integration import LaneClass

# A parcel leaves only if all its members in hand are still ours, its lane is open, and nobody of
# its recipients has said meanwhile that they want no more.
_OPEN = """
with mine as (
  select d.id, d.attempts, d.drill, held.parcel, held.place
    from delivery d
    join unnest($7::uuid[], $8::uuid[], $9::int[], $10::int[]) as held (id, token, parcel, place)
      on held.id = d.id and held.token = d.claim_token
   where d.id = any ($7) and exists (select from lane where id = $2
                    and (state = 'open' or paused_for_phi and not d.carries_phi))
     and (d.despite_suppression or ($14::bool[])[held.parcel]
          or not app.is_suppressed(d.practice_id, d.integration, d.recipient_key, d.drill,
                                   d.client_id))
   order by d.id for update of d
), whole as (
  select p.*
    from unnest($11::uuid[], $12::text[], $13::uuid[], $14::bool[], $15::text[], $16::text[],
                $17::int[], $18::int[])
         with ordinality as p (id, key, batch_id, asks, traceparent, drill, size, weight, number)
   where (select count(*) from mine where mine.parcel = p.number)
       = (select count(*) from unnest($9::int[]) as given (parcel) where given.parcel = p.number)
), opened as (
  insert into attempt (id, practice_id, lane_id, credential_id, integration, purpose,
                       idempotency_key, worker, deadline_s, traceparent, drill, size)
  select id, $1, $2, $3, $4, case when asks then 'reconcile' else 'send' end, key, $5, $6,
         traceparent, drill, size
    from whole
  returning id
), linked as (
  insert into attempt_delivery (attempt_id, delivery_id, practice_id, place)
  select whole.id, mine.id, $1, mine.place from mine join whole on whole.number = mine.parcel
), left_with as (
  update delivery d
     set first_attempt_at = coalesce(d.first_attempt_at, app.now()), batch_id = whole.batch_id,
         reconciliations = d.reconciliations + whole.asks::int, weight = whole.weight
    from mine join whole on whole.number = mine.parcel
   where d.id = any ($7) and d.id = mine.id
), told as (
  insert into timeline (practice_id, delivery_id, attempt_id, lane_id, kind, data, actor, drill)
  select $1, mine.id, whole.id, $2, 'attempt_opened',
         jsonb_build_object('number', mine.attempts + 1, 'reconcile', whole.asks,
                            'size', whole.size), 'worker', mine.drill
    from mine join whole on whole.number = mine.parcel
)
select id from opened
"""


@dataclass(frozen=True, slots=True)
class Sender:
    """As whom a lane's attempts are opened."""

    practice_id: UUID
    lane_id: UUID
    lane_class: LaneClass
    credential_id: UUID
    integration: str
    worker: str
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Opened:
    """How it went: these leave in their slots; these are not ours to send (any more), or not
    now; the rest of what was given waits `wait_s`."""

    leaving: list[tuple[Parcel, Slot]]
    stopped: list[Parcel]
    wait_s: float = 0.0


class _SlotsGone(Exception):
    """Another worker took them between our look and our grasp."""


async def open_attempts(database: Database, sender: Sender, parcels: Sequence[Parcel]) -> Opened:
    """Open as many of the parcels, from the first on, as there are slots at hand.

    One transaction: when this returns, the attempts, their keys and the batches' members and
    order are committed, and so are the slots.
    """
    try:
        async with database.as_worker(sender.practice_id) as connection:
            at_hand, wait_s = await slots_at_hand(
                connection, sender.credential_id, sender.lane_class, _weights(parcels)
            )
            if at_hand == 0:
                return Opened([], [], wait_s)
            chosen = parcels[:at_hand]
            ids = await _open(connection, sender, chosen)
            leaving = [parcel for parcel in chosen if parcel.attempt_id in ids]
            slots = await take_slots(
                connection, sender.credential_id, sender.lane_class, _weights(leaving)
            )
            if slots is None:
                raise _SlotsGone
            stopped = [parcel for parcel in chosen if parcel.attempt_id not in ids]
            return Opened(list(zip(leaving, slots, strict=True)), stopped)
    except _SlotsGone:
        return Opened([], [], 0.0)


def _weights(parcels: Sequence[Parcel]) -> list[int]:
    return [parcel.weight for parcel in parcels]


async def _open(connection: Connection, sender: Sender, parcels: Sequence[Parcel]) -> set[UUID]:
    held = [
        (member.id, member.token, number, place)
        for number, parcel in enumerate(parcels, start=1)
        for member, place in zip(parcel.members, parcel.places, strict=True)
    ]
    rows = await connection.fetch(
        _OPEN,
        sender.practice_id,
        sender.lane_id,
        sender.credential_id,
        sender.integration,
        sender.worker,
        sender.deadline_s,
        *(list(column) for column in zip(*held, strict=True)),
        [parcel.attempt_id for parcel in parcels],
        [parcel.key for parcel in parcels],
        [parcel.batch_id for parcel in parcels],
        [parcel.repeats for parcel in parcels],
        [parcel.traceparent for parcel in parcels],
        [parcel.first.drill for parcel in parcels],
        [len(parcel.payloads) for parcel in parcels],
        _weights(parcels),
    )
    return {row["id"] for row in rows}
