"""Deliveries that ended without having arrived, sent again by a person.

What ended stays ended, and is counted as it was: another delivery of the same bytes takes its
place, for the same subject. Only rooms at whose providers nothing is there twice offer this; see
`SentAgain`. Of each subject the latest speaks, so that nothing goes again twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.correlation import note_written
from mentalspace.engine.db import Connection, Database
from mentalspace.engine.replay import MOST_AT_ONCE, WITHOUT_CASE
from mentalspace.kernel.integration import Integration, SentAgain

Rooms = Mapping[str, Integration]

ENDED = ("refused", "failed", "expired")


@dataclass(frozen=True, slots=True)
class EndedHeap:
    """Ended deliveries of one integration and case, in numbers: `gone` are those that name what is
    not here any more, or that ended so long ago that what they said is off the record."""

    integration: str
    case_id: str | None
    may_go: int
    gone: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether one ended delivery may go again. `why_not` is a sentence for a person; `later` is
    the one that took its place."""

    may_go: bool
    why_not: str | None = None
    later: UUID | None = None


# The latest of its subject. Two of one moment are told apart by their keys, which count.
_LATER = """
select o.id from delivery o
 where o.subject_id = d.subject_id and o.practice_id = d.practice_id
   and o.integration = d.integration and o.kind = d.kind
   and (o.created_at, length(o.idempotency_key), o.idempotency_key)
     > (d.created_at, length(d.idempotency_key), d.idempotency_key)
"""
_ENDED = f"""
select d.id, d.practice_id, d.integration, d.last_case, d.ended_at,
       {{kept}}(d.practice_id, d.subject_id) as kept, d.purged_at is not null as purged
  from delivery d
 where d.integration = '{{integration}}' and d.kind = '{{kind}}'
   and d.status in ('refused', 'failed', 'expired') and d.drill is null
   and d.subject_id is not null and not exists ({_LATER})
   and ($1::text is null or d.integration = $1)
   and ($2::text is null or coalesce(d.last_case, '{WITHOUT_CASE}') = $2)
   and ($3::uuid is null or d.id = $3)
"""
_HEAPS = """
with ended as ({ended})
select integration, last_case as case_id, count(*) filter (where kept and not purged) as may_go,
       count(*) filter (where not kept or purged) as gone, min(ended_at) as oldest_at
  from ended group by 1, 2 order by count(*) desc, 1, 2 nulls last
"""
_CHOSEN = """
with ended as ({ended})
select practice_id, array_agg(id) as ids from (
  select id, practice_id from ended where kept and not purged order by ended_at limit $4) chosen
 group by 1
"""
_ONE = f"""
select d.status, d.purged_at is not null as purged, d.drill, ({_LATER} order by o.created_at desc
       limit 1) as later, {{kept}}(d.practice_id, d.subject_id) as kept
  from delivery d where d.id = $1 and d.kind = '{{kind}}' and d.subject_id is not null
"""
# The last step of the new key says the how manieth it is, so that of two who press at once one does
# nothing. It goes by the credential that is the practice's today.
_SEND = """
with old as (
  select d.*, l.class, (select count(*) from delivery o
           where o.subject_id = d.subject_id and o.practice_id = d.practice_id
             and o.integration = d.integration and o.kind = d.kind) as before
    from delivery d join lane l on l.id = d.lane_id
   where d.id = any ($1) and d.practice_id = $2 and d.payload is not null for update of d
), new as (
  insert into delivery (practice_id, lane_id, credential_id, integration, kind, subject_type,
    subject_id, client_id, recipient_key, payload, idempotency_key, traceparent, carries_phi,
    weight)
  select old.practice_id, lane.id, lane.credential_id, old.integration, old.kind, old.subject_type,
         old.subject_id, old.client_id, old.recipient_key, old.payload,
         regexp_replace(old.idempotency_key, '\\.[0-9]+$', '') || '.' || (old.before + 1),
         old.traceparent, old.carries_phi, old.weight
    from old cross join lateral (
      select l.id, l.credential_id from lane l join credential c on c.id = l.credential_id
       where l.practice_id = old.practice_id and l.integration = old.integration
         and l.class = old.class and c.active and c.drill is null
       order by c.rank, c.created_at limit 1) lane
  on conflict (practice_id, integration, idempotency_key) do nothing
  returning id, practice_id, lane_id, subject_id, kind
), said as (
  insert into timeline (practice_id, delivery_id, lane_id, kind, data, actor)
  select new.practice_id, line.delivery_id, new.lane_id, line.kind, line.data, $4
    from new join old using (subject_id) cross join lateral (values
      (1, new.id, 'delivery_created',
       jsonb_build_object('kind', new.kind, 'class', old.class, 'again_after', old.id)),
      (2, new.id, 'released', jsonb_build_object('replay', $3::text)),
      (3, old.id, 'sent_again', jsonb_build_object('delivery', new.id))
    ) as line (place, delivery_id, kind, data) order by line.place
)
select id from new
"""


async def preflight(
    connection: Connection,
    rooms: Rooms,
    integration: str | None = None,
    case_id: str | None = None,
) -> list[EndedHeap]:
    """What the caller may see of what ended and was not sent again, the largest heap of a room
    first. Changes nothing."""
    heaps: list[EndedHeap] = []
    for name, again in _offered(rooms):
        sql = _HEAPS.format(ended=_ended(name, again))
        rows = await connection.fetch(sql, integration, case_id, None)
        heaps += [EndedHeap(**dict(row)) for row in rows]
    return heaps


async def standing(
    connection: Connection, rooms: Rooms, integration: str, delivery_id: UUID
) -> Standing | None:
    """None for what never goes again: not ended so, or of a kind that may be there twice."""
    room = rooms.get(integration)
    if room is None or (again := room.sent_again) is None:
        return None
    row = await connection.fetchrow(_ONE.format(kept=again.kept, kind=again.kind), delivery_id)
    if row is None or row["status"] not in ENDED or row["drill"] is not None:
        return None
    if row["later"] is not None:
        return Standing(False, "It was sent again already", row["later"])
    if not row["kept"]:
        return Standing(False, again.gone)
    if row["purged"]:
        return Standing(False, "It ended over 30 days ago, and what it said is off the record")
    return Standing(True)


async def send_again(
    database: Database,
    connection: Connection,
    rooms: Rooms,
    actor: str,
    integration: str | None = None,
    case_id: str | None = None,
    delivery_id: UUID | None = None,
) -> tuple[str, list[UUID]]:
    """Other deliveries in the place of those that may go again: the replay's id, and theirs.

    At most MOST_AT_ONCE, the longest ended first, of what the caller sees. Afterwards the
    connection is the worker's for the rest of its transaction.
    """
    replay_id = secrets.token_hex(6)
    chosen: list[Any] = []
    for name, again in _offered(rooms):
        sql = _CHOSEN.format(ended=_ended(name, again))
        most = MOST_AT_ONCE - sum(len(row["ids"]) for row in chosen)
        chosen += await connection.fetch(sql, integration, case_id, delivery_id, most)
    sent: list[UUID] = []
    for row in chosen:
        await database.go_on_as_worker(connection, row["practice_id"])
        new = await connection.fetch(_SEND, row["ids"], row["practice_id"], replay_id, actor)
        sent += [each["id"] for each in new]
    if sent:
        note_written()
    return replay_id, sent


def _offered(rooms: Rooms) -> list[tuple[str, SentAgain]]:
    return [(name, room.sent_again) for name, room in rooms.items() if room.sent_again is not None]


def _ended(integration: str, again: SentAgain) -> str:
    return _ENDED.format(integration=integration, kind=again.kind, kept=again.kept)
