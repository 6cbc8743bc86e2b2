"""Deliveries in a worker's hand, and the ways of putting them down without an attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from mentalspace.engine.db import Connection
from mentalspace.engine.hours import Hours, next_opening
from mentalspace.engine.ledger import leave_attempts, record_all
from mentalspace.engine.secrets import SealBroken, Vault

# After an error of our own; short, for the start is counted.
LET_GO_S = 2.0
# A batch may have to be repeated whole: one that must be with its reader sooner goes by itself.
MARGIN_S = 3600.0
# Claimed so often without finishing an attempt, a delivery is what kills its worker.
POISON_STARTS = 5

# What left in one batch is asked for in one request, so it is taken up together.
_CLAIM = """
with first as (
  select id, status, batch_id from delivery
   where lane_id = $1 and status in ('due', 'unknown') and next_attempt_at <= app.now()
     and (not $5 or not carries_phi)
   order by next_attempt_at limit $2 for update skip locked
), whole as (
  select id, status from delivery
   where id = any (array (select ad.delivery_id from attempt_delivery ad
                           where ad.attempt_id = any (array (select batch_id from first))))
     and batch_id = any (array (select batch_id from first))
     and lane_id = $1 and status in ('due', 'unknown')
   for update skip locked
), chosen as (
  select id, status from first union select id, status from whole
)
update delivery d
   set status = 'sending', claimed_by = $3, claim_token = gen_random_uuid(),
       claimed_at = clock_timestamp(), starts = d.starts + 1
  from chosen where d.id = chosen.id
returning d.id, d.practice_id, d.lane_id, d.credential_id, d.client_id, d.subject_id,
  d.integration, d.idempotency_key, d.payload, d.bypass_guard, d.carries_phi,
  case
    when d.despite_suppression then null
    when d.drill is null and exists (
      select from stopped_client k where k.client_id = d.client_id
         and k.integration = d.integration and k.practice_id = d.practice_id) then 'opted_out'
    else (
      select s.reason from suppression s
       where s.practice_id = d.practice_id and s.integration = d.integration
         and s.recipient_key = d.recipient_key and s.lifted_at is null
         and coalesce(s.drill, '') in ('', coalesce(d.drill, ''))
       order by s.drill nulls first limit 1)
  end as suppressed,
  d.attempts, d.starts,
  chosen.status = 'unknown' as was_unknown, d.traceparent, d.drill, d.claim_token as token,
  coalesce(extract(epoch from app.now() - d.first_attempt_at), 0)::float8 as first_attempt_age_s,
  coalesce((select extract(epoch from app.now() - max(a.started_at))
              from attempt_delivery ad join attempt a on a.id = ad.attempt_id
             where ad.delivery_id = d.id and a.purpose = 'send' and chosen.status = 'unknown'
           ), 0)::float8 as last_send_age_s,
  coalesce(d.expires_at <= app.now(), false) as expired,
  coalesce(d.expires_at <= app.now() + $4 * interval '1 s', false) as expires_soon,
  d.alone, d.batch_id, d.next_attempt_at, d.hours, d.expires_at, app.now() as claimed_now
"""
_LEFT = """
select a.id, a.idempotency_key as key, d.id as delivery_id, d.practice_id, d.payload,
       extract(epoch from app.now() - a.started_at)::float8 as age_s
  from attempt a join attempt_delivery ad on ad.attempt_id = a.id
  join delivery d on d.id = ad.delivery_id
 where a.id = any ($1) order by a.id, ad.place
"""
# Whoever writes locks the delivery first, then its attempts, then the credential's state: the
# dispatcher, taking back what a worker lost, goes the same way, so that neither waits in a ring.
_MINE = """
select d.id from delivery d
  join unnest($1::uuid[], $2::uuid[]) as held (id, token)
    on held.id = d.id and held.token = d.claim_token
 where d.id = any ($1)
 order by d.id for update of d
"""
# A provider that knows no key is asked by recipient and content: what is another's is not this.
_TAKEN = """
select array_agg(o.provider_message_id) from delivery d
  join delivery o on o.practice_id = d.practice_id and o.recipient_key = d.recipient_key
   and o.credential_id = d.credential_id and o.id <> d.id
 where d.id = $1 and o.provider_message_id is not null
   and o.first_attempt_at > d.first_attempt_at - interval '2 days'
"""
_SEND_AFTER_ALL = """
update attempt set purpose = 'send', started_at = app.now()
 where id = $1 and state = 'open' returning true
"""
PUT_DOWN = "claimed_by = null, claim_token = null, claimed_at = null"
_HOLD = f"""
update delivery set status = 'held', held_reason = $2, {PUT_DOWN} where id = any ($1)
"""
_EXPIRE = f"""
update delivery set status = 'expired', held_reason = null, {PUT_DOWN} where id = any ($1)
"""
_WAIT = f"""
update delivery set status = 'pending', next_attempt_at = $2, starts = greatest(starts - 1, 0),
  {PUT_DOWN} where id = $1
"""
_LET_GO = f"""
update delivery set status = case when id = any ($2) then 'unknown' else 'due' end,
  next_attempt_at = app.now() + $3 * interval '1 s', {PUT_DOWN} where id = any ($1)
"""
_GIVE_BACK = f"""
update delivery d set status = case when held.unknown then 'unknown' else 'due' end,
  starts = greatest(d.starts - 1, 0), {PUT_DOWN}
  from unnest($1::uuid[], $2::uuid[], $3::bool[]) as held (id, token, unknown)
 where d.id = any ($1) and d.id = held.id and d.claim_token = held.token
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in a worker's hand. `token` fences out whoever held it before; `payload` is
    empty if it could not be opened. `batch_id` is that of a batch whose outcome is unknown."""

    id: UUID
    practice_id: UUID
    lane_id: UUID
    credential_id: UUID
    client_id: UUID | None
    subject_id: UUID | None
    integration: str
    idempotency_key: str
    payload: bytes
    bypass_guard: bool
    carries_phi: bool
    suppressed: str | None  # why its recipient, or its client, is written to no more
    attempts: int
    starts: int
    was_unknown: bool
    first_attempt_age_s: float
    expired: bool
    traceparent: str
    drill: str | None
    token: UUID
    last_send_age_s: float = 0.0  # of what is unknown
    expires_soon: bool = False
    alone: bool = False
    batch_id: UUID | None = None
    next_attempt_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    hours: Mapping[str, Any] | None = None
    expires_at: datetime | None = None
    claimed_now: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    @property
    def perhaps_left(self) -> bool:
        """Sent or not: its outcome is unknown, or was when a person let it go on."""
        return self.was_unknown or self.batch_id is not None

    @property
    def opens_at(self) -> datetime:
        """From when on it may leave: the moment of its claim, unless its hours say later."""
        if self.hours is None:
            return self.claimed_now
        return next_opening(Hours.from_json(self.hours), self.claimed_now)

    @property
    def worth_waiting(self) -> bool:
        """Whether it is still of use when it may leave."""
        return self.expires_at is None or self.opens_at < self.expires_at

    @property
    def released(self) -> bool:
        """A person let it go on though the outcome of its batch is unknown."""
        return self.batch_id is not None and not self.was_unknown


@dataclass(frozen=True, slots=True)
class LeftBatch:
    """A batch whose outcome is unknown, as it left `age_s` ago: its payloads in their places."""

    id: UUID
    key: str
    age_s: float
    payloads: tuple[bytes, ...]
    places: Mapping[UUID, int]


async def claim(
    connection: Connection,
    vault: Vault,
    lane_id: UUID,
    most: int,
    worker: str,
    *,
    without_phi: bool = False,
) -> list[Claimed]:
    """Take up what is due, the longest due first. More than `most` only to complete a batch."""
    rows = await connection.fetch(_CLAIM, lane_id, most, worker, MARGIN_S, without_phi)
    claimed = [Claimed(**{**dict(row), "payload": _open(vault, row)}) for row in rows]
    return sorted(claimed, key=lambda each: each.next_attempt_at)


async def read_left(
    connection: Connection, vault: Vault, claimed: Sequence[Claimed]
) -> dict[UUID, LeftBatch]:
    """The unknown batches that some of these left in, with everything that was in them."""
    ids = {each.batch_id for each in claimed if each.batch_id is not None}
    if not ids:
        return {}
    rows: dict[UUID, list[Any]] = {}
    for row in await connection.fetch(_LEFT, list(ids)):
        rows.setdefault(row["id"], []).append(row)
    return {
        batch_id: LeftBatch(
            id=batch_id,
            key=members[0]["key"],
            age_s=members[0]["age_s"],
            payloads=tuple(_open(vault, member) for member in members),
            places={member["delivery_id"]: place for place, member in enumerate(members)},
        )
        for batch_id, members in rows.items()
    }


async def taken_ids(connection: Connection, delivery_id: UUID) -> frozenset[str]:
    """The provider's ids of the other deliveries to the same recipient since about its own time."""
    return frozenset(await connection.fetchval(_TAKEN, delivery_id) or ())


async def lock_mine(connection: Connection, claimed: Sequence[Claimed]) -> list[Claimed]:
    """Those of them that are still in our hand, locked until the transaction ends."""
    rows = await connection.fetch(_MINE, [c.id for c in claimed], [c.token for c in claimed])
    mine = {row["id"] for row in rows}
    return [each for each in claimed if each.id in mine]


async def hold(connection: Connection, mine: Sequence[Claimed], reason: str) -> None:
    """Keep them for a person. `reason` is a phrase without a name in it."""
    await connection.execute(_HOLD, _ids(mine), reason)
    await tell(connection, "held", mine, None, {"reason": reason})


async def wait_for_hours(
    connection: Connection, mine: Sequence[Claimed], opens_at: datetime
) -> None:
    """Put it back until it may leave; the start does not count."""
    for each in mine:
        await connection.execute(_WAIT, each.id, opens_at)
        assert each.hours is not None
        local = opens_at.astimezone(ZoneInfo(each.hours["zones"][0]))
        data = {"until": opens_at.isoformat(), "local": f"{local:%H:%M}"}
        await tell(connection, "held_for_hours", [each], None, data)


async def expire(connection: Connection, mine: Sequence[Claimed]) -> None:
    await connection.execute(_EXPIRE, _ids(mine))
    await tell(connection, "expired", mine, None, {})


async def send_after_all(connection: Connection, attempt_id: UUID) -> bool:
    """The provider surely has not got it, and it leaves now: from here on its outcome is as
    unknown as a fresh one's. False if the attempt is not ours any more."""
    return bool(await connection.fetchval(_SEND_AFTER_ALL, attempt_id))


async def let_go(connection: Connection, mine: Sequence[Claimed]) -> None:
    """Give them back after an error of our own: unknown what may have left, else due.

    Their start stays counted, so that what fails so each time is held in the end.
    """
    ids = _ids(mine)
    unknown = await leave_attempts(connection, ids)
    await connection.execute(_LET_GO, ids, list(unknown), LET_GO_S)
    now = [{"now": "unknown" if each.id in unknown else "due"} for each in mine]
    await tell(connection, "let_go", mine, None, now)


async def give_back(connection: Connection, claimed: Sequence[Claimed]) -> None:
    """Put down untouched what is still ours; the start does not count."""
    await connection.execute(
        _GIVE_BACK,
        [each.id for each in claimed],
        [each.token for each in claimed],
        [each.was_unknown for each in claimed],
    )


async def tell(
    connection: Connection,
    kind: str,
    claimed: Sequence[Claimed],
    attempt_id: UUID | None,
    data: Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> None:
    """A line on the timeline of each, all of one lane; `data` is the same for all or one each."""
    if not claimed:
        return
    each = [data] * len(claimed) if isinstance(data, Mapping) else data
    await record_all(
        connection,
        kind,
        practice_id=claimed[0].practice_id,
        attempt_id=attempt_id,
        lane_id=claimed[0].lane_id,
        lines=[(c.id, c.drill, line) for c, line in zip(claimed, each, strict=True)],
        actor="worker",
    )


def _ids(claimed: Sequence[Claimed]) -> list[UUID]:
    return [each.id for each in claimed]


def _open(vault: Vault, row: Any) -> bytes:
    if row["payload"] is None:
        return b""
    try:
        return vault.open(row["practice_id"], "delivery", row["payload"])
    except SealBroken:
        return b""
