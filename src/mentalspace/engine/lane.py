"""Works one lane: claims what is due, makes one attempt each, and settles it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import asyncpg

from mentalspace.engine.agreement import refuse_phi
from mentalspace.engine.breaker import ask_passage
from mentalspace.engine.claim import Claimed, Fenced, expire, hold, let_go
from mentalspace.engine.db import CONNECTION_LOST, Connection, Database
from mentalspace.engine.inbox import ask_anew
from mentalspace.engine.ledger import record
from mentalspace.engine.limiter import keep_slot, reserve_slot
from mentalspace.engine.log import get_logger
from mentalspace.engine.outbound import Client, DeadlinedHttp
from mentalspace.engine.secrets import SealBroken, Vault
from mentalspace.engine.settle import Attempt, Failure, settle_failure, settle_success
from mentalspace.engine.steps import Action
from mentalspace.kernel.case import ErrorCase, classify
from mentalspace.kernel.delivery import Receipt
from mentalspace.kernel.errors import Evidence, ProviderError, Refused
from mentalspace.kernel.ids import child_traceparent
from mentalspace.kernel.integration import Adapter, Credential, Integration, LaneClass, Provider

BATCH = 10
# A lane gives way to the others after this long; the dispatcher wakes it again.
TURN_S = 3.0
LOOK_AGAIN_S = 0.5
# Claimed so often without finishing an attempt, a delivery is what kills its worker.
POISON_STARTS = 5
# How long a result is held on to while the database is away.
SETTLE_FOR_S = 60.0

log = get_logger(__name__)

_LANE = """
select l.id, l.practice_id, l.class, l.state, l.integration, l.provider, l.credential_id,
       c.endpoint, c.base_url, c.live, c.secrets, c.test_only, l.paused_for_phi,
       c.needs_agreement and not app.agreement_holds(l.practice_id, l.provider) as barred
  from lane l join credential c on c.id = l.credential_id where l.id = $1
"""
_WAITING = """
select exists (select from delivery where lane_id = $1 and status in ('due', 'unknown')
                  and next_attempt_at <= app.now() and (not $2 or not carries_phi))
"""
_CLAIM = """
with chosen as (
  select id, status from delivery
   where lane_id = $1 and status in ('due', 'unknown') and next_attempt_at <= app.now()
     and (not $4 or not carries_phi)
   order by next_attempt_at limit $2 for update skip locked
)
update delivery d
   set status = 'sending', claimed_by = $3, claim_token = gen_random_uuid(),
       claimed_at = clock_timestamp(), starts = d.starts + 1
  from chosen where d.id = chosen.id
returning d.id, d.practice_id, d.lane_id, d.credential_id, d.client_id, d.subject_id,
  d.integration, d.idempotency_key, d.payload, d.bypass_guard, d.carries_phi, d.attempts, d.starts,
  chosen.status = 'unknown' as was_unknown, d.traceparent, d.drill, d.claim_token,
  coalesce(extract(epoch from app.now() - d.first_attempt_at), 0)::float8 as first_attempt_age_s,
  coalesce(d.expires_at <= app.now(), false) as expired
"""
_OPEN_ATTEMPT = """
insert into attempt (practice_id, lane_id, credential_id, integration, purpose, idempotency_key,
                     worker, deadline_s, traceparent, drill)
select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
 where exists (select from delivery where id = $11 and claim_token = $12 for update)
   and exists (select from lane where id = $2 and (state = 'open' or paused_for_phi and not $13))
returning id
"""
# Whoever writes locks the delivery first, then its attempts, then the credential's state: the
# dispatcher, taking back what a worker lost, goes the same way, so that neither waits in a ring.
_MINE = "select true from delivery where id = $1 and claim_token = $2 for update"


@dataclass(frozen=True, slots=True)
class Lane:
    id: UUID
    practice_id: UUID
    lane_class: LaneClass
    credential_id: UUID
    provider: Provider
    credential: Credential
    client: Client
    cases: tuple[ErrorCase, ...]
    test_only: bool  # it reaches the provider's test recipients and nobody else
    barred: bool  # it needs a vendor agreement and none holds today
    turnstile: asyncio.Lock  # a batch asks for its slots one after the other


@dataclass(frozen=True, slots=True)
class LaneWorker:
    """Everything a lane needs, handed over once by `main`.

    `cases(integration, provider)` gives the runbook's cases; `clients` are keyed by whether
    they may leave this machine.
    """

    database: Database
    vault: Vault
    rooms: Mapping[str, Integration]
    cases: Callable[[str, str], tuple[ErrorCase, ...]]
    clients: Mapping[bool, Client]
    actions: Mapping[str, Action]
    name: str
    random: Random

    async def work(self, payload: str) -> None:
        """Answer one wake-up (`practice/lane`): work until the lane is empty or its turn over."""
        practice_id, lane_id = (UUID(part) for part in payload.split("/"))
        turn_ends = time.monotonic() + TURN_S
        # In hand, and since when. One that hangs must not stop the others of its lane.
        in_hand: dict[asyncio.Task[None], float] = {}
        async with asyncio.TaskGroup() as group:
            while time.monotonic() < turn_ends or _hangs(in_hand):
                room = BATCH - len(in_hand)
                try:
                    lane, claimed, probing = await self._claim(practice_id, lane_id, room)
                except Exception as error:
                    # Raised here it would cancel what is in hand. Nothing was claimed: the
                    # dispatcher wakes the lane again.
                    log.error("claim_failed", lane_id=lane_id, error=type(error).__name__)
                    break
                for delivery in claimed:
                    assert lane is not None
                    task = group.create_task(self._carry(lane, delivery))
                    in_hand[task] = time.monotonic()
                if probing or not in_hand:
                    break
                await _make_room(in_hand)

    async def _claim(
        self, practice_id: UUID, lane_id: UUID, room: int = BATCH
    ) -> tuple[Lane | None, list[Claimed], bool]:
        async with self.database.as_worker(practice_id) as connection:
            row = await connection.fetchrow(_LANE, lane_id)
            if row is None or row["integration"] not in self.rooms:
                return None, [], False
            paused = row["state"] != "open"
            if paused and not row["paused_for_phi"]:
                return None, [], False
            if not await connection.fetchval(_WAITING, lane_id, paused):
                return None, [], False
            passage = await ask_passage(connection, row["credential_id"], self.name)
            if not passage.allowed:
                return None, [], False
            claims = await connection.fetch(
                _CLAIM, lane_id, 1 if passage.probe else room, self.name, paused
            )
            return self._lane(row), [self._claimed(claim) for claim in claims], passage.probe

    async def _carry(self, lane: Lane, delivery: Claimed) -> None:
        try:
            await self._try(lane, delivery)
        except Fenced:
            log.warning("fenced", delivery_id=delivery.id, worker=self.name)

    async def _try(self, lane: Lane, delivery: Claimed) -> None:
        """One attempt. Our own trouble with it must not cut off the others of the batch."""
        try:
            await self._attempt(lane, delivery)
        except Fenced:
            raise
        except Exception as error:
            log.error("attempt_broke", delivery_id=delivery.id, error=type(error).__name__)
            await self._settle(delivery, lambda connection: let_go(connection, delivery))

    async def _attempt(self, lane: Lane, delivery: Claimed) -> None:
        if reason := _not_again(lane, delivery):
            await self._settle(delivery, lambda connection: hold(connection, delivery, reason))
            return
        if delivery.expired:
            await self._settle(delivery, lambda connection: expire(connection, delivery))
            return
        evidence = _refusal(lane, delivery)
        if evidence is not None:
            await self._fail(lane, delivery, None, evidence)
            return
        # The slot first, the ledger's line while it is waited for: what leaves, leaves on time.
        async with lane.turnstile:
            leaves_at = await reserve_slot(
                self.database, lane.practice_id, lane.credential_id, lane.lane_class
            )
        traceparent = child_traceparent(delivery.traceparent)
        attempt_id = await self._open(lane, delivery, traceparent)
        if attempt_id is None:
            return
        http = DeadlinedHttp(lane.client, lane.provider.deadline_s, traceparent)
        adapter = lane.provider.adapter(http, lane.credential)
        await keep_slot(leaves_at)
        began = time.monotonic()
        try:
            receipt = await _send(adapter, delivery)
        except ProviderError as error:
            await self._fail(lane, delivery, Attempt(attempt_id, _since_ms(began)), error.evidence)
            return
        except Refused as error:
            evidence = Evidence("refused_locally", code=error.code)
            await self._fail(lane, delivery, Attempt(attempt_id, _since_ms(began)), evidence)
            return
        attempt = Attempt(attempt_id, _since_ms(began))
        await self._settle(
            delivery,
            lambda connection: _succeed(connection, delivery, attempt, receipt),
        )

    async def _open(self, lane: Lane, delivery: Claimed, traceparent: str) -> UUID | None:
        """Persist the attempt and its key before anything leaves.

        None, with the delivery given back, if the lane was paused or taken over meanwhile.
        """
        async with self.database.as_worker(delivery.practice_id) as connection:
            attempt_id: UUID | None = await connection.fetchval(
                _OPEN_ATTEMPT,
                delivery.practice_id,
                lane.id,
                lane.credential_id,
                delivery.integration,
                "reconcile" if delivery.was_unknown else "send",
                delivery.idempotency_key,
                self.name,
                lane.provider.deadline_s,
                traceparent,
                delivery.drill,
                delivery.id,
                delivery.token,
                delivery.carries_phi,
            )
            if attempt_id is None:
                await _give_back(connection, delivery)
                return None
            await connection.execute(
                "insert into attempt_delivery (attempt_id, delivery_id, practice_id)"
                " values ($1, $2, $3)",
                attempt_id,
                delivery.id,
                delivery.practice_id,
            )
            await connection.execute(
                "update delivery set first_attempt_at = coalesce(first_attempt_at, app.now()),"
                " reconciliations = reconciliations + $2 where id = $1",
                delivery.id,
                int(delivery.was_unknown),
            )
            await record(
                connection,
                "attempt_opened",
                practice_id=delivery.practice_id,
                delivery_id=delivery.id,
                attempt_id=attempt_id,
                lane_id=lane.id,
                data={"number": delivery.attempts + 1, "reconcile": delivery.was_unknown},
                actor="worker",
                drill=delivery.drill,
            )
            return attempt_id

    async def _fail(
        self, lane: Lane, delivery: Claimed, attempt: Attempt | None, evidence: Evidence
    ) -> None:
        failure = Failure(delivery, attempt, evidence, classify(lane.cases, evidence))
        await self._settle(
            delivery,
            lambda connection: settle_failure(connection, failure, self.actions, self.random),
        )

    async def _settle(self, delivery: Claimed, write: Callable[[Connection], Any]) -> None:
        """Write a result down, holding on to it while the database is away."""
        give_up_at = time.monotonic() + SETTLE_FOR_S
        while True:
            try:
                async with self.database.as_worker(delivery.practice_id) as connection:
                    if not await connection.fetchval(_MINE, delivery.id, delivery.token):
                        raise Fenced
                    await write(connection)
                return
            except (*CONNECTION_LOST, asyncpg.TransactionRollbackError) as error:
                if time.monotonic() > give_up_at:
                    raise
                log.warning("settle_waits", delivery_id=delivery.id, error=type(error).__name__)
                await asyncio.sleep(0.5)

    def _lane(self, row: Any) -> Lane:
        provider = self.rooms[row["integration"]].provider(row["provider"])
        secrets = json.loads(self.vault.open(row["practice_id"], "credential", row["secrets"]))
        return Lane(
            id=row["id"],
            practice_id=row["practice_id"],
            lane_class=row["class"],
            credential_id=row["credential_id"],
            provider=provider,
            credential=Credential(
                str(row["practice_id"]), row["endpoint"], row["base_url"], secrets
            ),
            client=self.clients[row["live"]],
            cases=self.cases(row["integration"], row["provider"]),
            test_only=row["test_only"],
            barred=row["barred"],
            turnstile=asyncio.Lock(),
        )

    def _claimed(self, row: Any) -> Claimed:
        values = dict(row)
        try:
            values["payload"] = self.vault.open(row["practice_id"], "delivery", row["payload"])
        except SealBroken:
            values["payload"] = b""
        values["token"] = values.pop("claim_token")
        return Claimed(**values)


def _hangs(in_hand: Mapping[asyncio.Task[None], float]) -> bool:
    """Whether one has been in hand for a whole turn: the wake-up must stay for it anyway."""
    return any(time.monotonic() - began > TURN_S for began in in_hand.values())


async def _make_room(in_hand: dict[asyncio.Task[None], float]) -> None:
    """Wait until half the batch is done, though never longer than a look at the lane is worth."""
    ends = time.monotonic() + LOOK_AGAIN_S
    while True:
        left_s = max(0.0, ends - time.monotonic())
        done, _ = await asyncio.wait(in_hand, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            del in_hand[task]
        if not done or len(in_hand) <= BATCH // 2:
            return


def _since_ms(began: float) -> float:
    return (time.monotonic() - began) * 1000


def _not_again(lane: Lane, delivery: Claimed) -> str | None:
    """Why a person should look before this is touched again, if they should."""
    if not delivery.payload:
        return "its content cannot be opened"
    if delivery.starts > POISON_STARTS:
        return (
            f"taken up {delivery.starts - 1} times and never finished: it may be what stops workers"
        )
    if delivery.expired and delivery.was_unknown:
        return "outcome unknown, and no longer useful to send"
    if delivery.was_unknown and lane.provider.refuse_outside_tests(
        delivery.payload, lane.test_only
    ):
        return "outcome unknown, and its credential reaches test addresses only by now"
    return None


def _refusal(lane: Lane, delivery: Claimed) -> Evidence | None:
    """Why this may not leave, by our own rules, before anything is asked of the provider.

    What was perhaps sent is only kept from going without an agreement: whether it was, the
    provider alone can say.
    """
    barred = refuse_phi(barred=lane.barred, carries_phi=delivery.carries_phi)
    if barred is not None or delivery.was_unknown:
        return barred
    tests = lane.provider.refuse_outside_tests(delivery.payload, lane.test_only)
    if tests is not None or delivery.bypass_guard:
        return tests
    return lane.provider.guard(delivery.payload)


async def _succeed(
    connection: Connection, delivery: Claimed, attempt: Attempt, receipt: Receipt
) -> None:
    await settle_success(connection, delivery, attempt, receipt)
    if delivery.was_unknown:
        await ask_anew(connection, delivery.credential_id)


async def _send(adapter: Adapter, delivery: Claimed) -> Receipt:
    if delivery.was_unknown:
        receipt = await adapter.reconcile(
            delivery.payload,
            idempotency_key=delivery.idempotency_key,
            first_attempt_age=timedelta(seconds=delivery.first_attempt_age_s),
        )
        if receipt is not None:
            return receipt
    return await adapter.send(delivery.payload, idempotency_key=delivery.idempotency_key)


async def _give_back(connection: Connection, delivery: Claimed) -> None:
    await connection.execute(
        "update delivery set status = $3, claimed_by = null, claim_token = null,"
        " claimed_at = null, starts = greatest(starts - 1, 0) where id = $1 and claim_token = $2",
        delivery.id,
        delivery.token,
        "unknown" if delivery.was_unknown else "due",
    )
