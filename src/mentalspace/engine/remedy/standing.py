"""How the credential of an incident stands now: what waits, what is held, who could take over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine import replay
from mentalspace.engine.db import Connection
from mentalspace.engine.mornings import Morning, read_mornings
from mentalspace.engine.queued import RESTS


@dataclass(frozen=True, slots=True)
class Fallback:
    """The credential that would take over, whether it works and may carry what names clients."""

    provider: str
    endpoint: str
    works: bool
    may_carry_phi: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """`incident_id` is None of a credential that is looked at by itself. Counts are of deliveries.

    `waiting` is due, of use and free to leave, `resting` due and of use and may not leave before
    its hours begin, at `morning`, `useless` due and too late; `naming` of the waiting name a
    client; `movable` of them surely have not left. `holds` are people's, of what is safe to send
    again. `moved` have gone over to another provider since the incident began, to `moved_to`
    lately, from `moved_at` on; `out` says that they would still. A person switched at
    `switched_at`, if one did."""

    incident_id: UUID | None
    resolved: bool
    drill: str | None
    now: datetime
    credential_id: UUID
    practice_id: UUID
    integration: str
    provider: str
    endpoint: str
    rate_per_s: float
    breaker: str
    last_good_at: datetime | None
    override_state: str | None
    override_until: datetime | None
    override_by: str | None
    override_moves: bool
    running: int
    paused: int
    paused_by: str | None
    paused_until: datetime | None
    waiting: int
    people: int
    useless: int
    resting: int
    naming: int
    movable: int
    in_hand: int
    unknown: int
    coming: int
    useful_until: datetime | None
    held_safe: int
    held_people: int
    held_perhaps_sent: int
    held_useless: int
    holds: tuple[replay.Heap, ...]
    out: bool
    moved: int
    moved_at: datetime | None
    moved_to: str | None
    switched_at: datetime | None
    fallback: Fallback | None
    morning: Morning | None = None

    @property
    def due(self) -> int:
        """All that is due and of use, whenever it may leave."""
        return self.waiting + self.resting


_OF_INCIDENT = """
select id, status = 'resolved' as resolved, drill, since, credential_id from incident where id = $1
"""
_OF_CREDENTIAL = """
select null::uuid as id, false as resolved, drill, app.now() - interval '1 day' as since,
       id as credential_id from credential where id = $1
"""
_ONE = """
select i.id as incident_id, i.resolved, i.drill, app.now() as now,
       c.id as credential_id, c.practice_id, c.integration, c.provider, c.endpoint, c.rate_per_s,
       s.breaker, s.last_good_at, s.override_by, s.override_moves,
       case when s.override_until > app.now() then s.override_state end as override_state,
       case when s.override_until > app.now() then s.override_until end as override_until,
       lanes.*, work.*, went.*
  from ({subject}) i join credential c on c.id = i.credential_id
  join credential_state s on s.credential_id = c.id
 cross join lateral (
    select count(*) filter (where state = 'open') as running,
           count(*) filter (where state = 'paused') as paused,
           max(coalesce(paused_by, 'the runbook')) filter (where state = 'paused') as paused_by,
           max(paused_until) filter (where state = 'paused') as paused_until,
           s.breaker <> 'closed'
             or bool_or(state = 'paused' and paused_by = 'runbook') as out
      from lane where credential_id = c.id) lanes
 cross join lateral (
    select count(*) filter (where due and useful and not rests) as waiting,
           count(distinct recipient_key) filter (where due and useful and not rests) as people,
           count(*) filter (where due and useful and rests) as resting,
           count(*) filter (where due and not useful) as useless,
           count(*) filter (where due and useful and carries_phi) as naming,
           count(*) filter (where due and useful and stayed) as movable,
           count(*) filter (where status = 'sending') as in_hand,
           count(*) filter (where status = 'unknown') as unknown,
           count(*) filter (where status = 'pending' and due_at > app.now()
             and due_at <= app.now() + interval '1 hour') as coming,
           min(expires_at) filter (where due and useful) as useful_until
      from (select d.*, d.status in ('pending', 'due') and d.due_at <= app.now() as due,
                   coalesce(d.expires_at > app.now(), true) as useful, {rests} as rests,
                   d.batch_id is null and not exists (
                     select from attempt_delivery ad join attempt a on a.id = ad.attempt_id
                      where ad.delivery_id = d.id and a.state in ('open', 'unknown')) as stayed
              from (select id, recipient_key, status, hours, due_at, expires_at, carries_phi,
                           batch_id from delivery
                     where credential_id = c.id and drill is not distinct from i.drill
                       and status in ('pending', 'due', 'sending', 'unknown')) d) counted) work
 cross join lateral (
    select count(*) as moved, min(t.at) as moved_at,
           (array_agg(t.data ->> 'to' order by t.id desc))[1] as moved_to,
           (select max(a.at) from incident o join timeline a on a.incident_id = o.id
             where o.credential_id = c.id and a.kind = 'acted' and a.data ->> 'act' = 'switch'
           ) as switched_at
      from timeline t
     where t.kind = 'moved' and t.at >= i.since and t.drill is not distinct from i.drill
       and t.data ->> 'from_lane' in (select id::text from lane where credential_id = c.id)) went
"""
# The order of `engine.failover`: whoever works first, then by rank.
_FALLBACK = """
select b.provider, b.endpoint, works.works,
       not b.needs_agreement or app.agreement_holds(b.practice_id, b.provider) as may_carry_phi
  from credential b join credential_state t on t.credential_id = b.id
 cross join lateral (
    select case when t.override_until > app.now() then t.override_state = 'closed'
                else t.breaker = 'closed' end
           and exists (select from lane where credential_id = b.id and state = 'open') as works
 ) works
 where b.practice_id = $1 and b.integration = $2 and b.id <> $3 and b.active and not b.test_only
   and b.drill is not distinct from $4
 order by works.works desc, b.rank, b.created_at limit 1
"""


async def read_standing(connection: Connection, incident_id: UUID) -> Standing | None:
    """As on-call. None for an incident there is not, or that is of no credential."""
    return await _read(connection, _ONE.format(subject=_OF_INCIDENT, rests=RESTS), incident_id)


async def read_credential(connection: Connection, credential_id: UUID) -> Standing | None:
    """As on-call, of a credential without an incident. None if there is none."""
    return await _read(connection, _ONE.format(subject=_OF_CREDENTIAL, rests=RESTS), credential_id)


async def _read(connection: Connection, asked: str, subject: UUID) -> Standing | None:
    row = await connection.fetchrow(asked, subject)
    if row is None:
        return None
    credential_id = row["credential_id"]
    fallback = await connection.fetchrow(
        _FALLBACK, row["practice_id"], row["integration"], credential_id, row["drill"]
    )
    heaps = await replay.preflight(connection, credential_id=credential_id)
    mornings = await read_mornings(connection, [credential_id]) if row["resting"] else {}
    known: dict[str, Any] = dict(row)
    return Standing(
        **known,
        held_safe=sum(heap.safe for heap in heaps),
        held_people=sum(heap.people for heap in heaps),
        held_perhaps_sent=sum(heap.perhaps_sent for heap in heaps),
        held_useless=sum(heap.of_no_use for heap in heaps),
        holds=tuple(heap for heap in heaps if heap.held_by and heap.safe),
        fallback=Fallback(**dict(fallback)) if fallback else None,
        morning=mornings.get(credential_id),
    )
