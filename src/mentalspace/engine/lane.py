"""Works one lane: claims what is due, makes attempts of it, and settles them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import asyncpg

from mentalspace.engine.agreement import refuse_phi
from mentalspace.engine.breaker import ask_passage, return_probe
from mentalspace.engine.claim import (
    POISON_STARTS,
    Claimed,
    LeftBatch,
    claim,
    expire,
    give_back,
    hold,
    let_go,
    lock_mine,
    read_left,
    send_after_all,
    taken_ids,
    wait_for_hours,
)
from mentalspace.engine.correlation import following
from mentalspace.engine.db import CONNECTION_LOST, Connection, Database
from mentalspace.engine.hours import OUT_OF_HOURS
from mentalspace.engine.limiter import Slot, keep_slot
from mentalspace.engine.log import get_logger
from mentalspace.engine.opening import Sender, open_attempts
from mentalspace.engine.outbound import Client, DeadlinedHttp
from mentalspace.engine.parcel import Parcel, pack
from mentalspace.engine.secrets import Vault
from mentalspace.engine.settle import Attempt, Failure, settle_absent, settle_answer, settle_failure
from mentalspace.engine.steps import Action
from mentalspace.engine.suppression import refuse_suppressed
from mentalspace.kernel.case import ErrorCase, classify
from mentalspace.kernel.delivery import Receipt
from mentalspace.kernel.errors import Evidence, ProviderError, Refused
from mentalspace.kernel.integration import (
    Adapter,
    BatchAdapter,
    Credential,
    Integration,
    LaneClass,
    Provider,
    hook_url,
)

# Requests of a lane under way at once.
AT_ONCE = 10
LARGEST_CLAIM = 100
# After so many deliveries looked at, other lanes get a word in.
BREATH = 10
# A lane gives way after this long if others wait; the dispatcher wakes it again.
TURN_S = 3.0
LOOK_AGAIN_S = 0.5
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


@dataclass(frozen=True, slots=True)
class Lane:
    id: UUID
    practice_id: UUID
    lane_class: LaneClass
    credential_id: UUID
    integration: str
    provider: Provider
    credential: Credential
    client: Client
    cases: tuple[ErrorCase, ...]
    test_only: bool  # it reaches the provider's test recipients and nobody else
    barred: bool  # it needs a vendor agreement and none holds today


@dataclass(frozen=True, slots=True)
class Haul:
    """What one claim brought: `left` are the unknown batches that some of it belongs to."""

    lane: Lane
    claimed: list[Claimed]
    left: Mapping[UUID, LeftBatch]
    probing: bool


@dataclass(frozen=True, slots=True)
class LaneWorker:
    """Everything a lane needs, handed over once by `main`.

    `cases(integration, provider)` gives the runbook's cases; `clients` are keyed by whether
    they may leave this machine. `crowded` is asked at the end of a turn, whether others wait;
    `stopping` is set when the worker is to end.
    """

    database: Database
    vault: Vault
    rooms: Mapping[str, Integration]
    cases: Callable[[str, str], tuple[ErrorCase, ...]]
    clients: Mapping[bool, Client]
    actions: Mapping[str, Action]
    name: str
    random: Random
    crowded: Callable[[], Awaitable[bool]]
    site_url: str
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self, payload: str) -> None:
        """Answer one wake-up (`practice/lane`): work until the lane is empty, or its turn over and
        others wait."""
        practice_id, lane_id = (UUID(part) for part in payload.split("/"))
        turn_ends = time.monotonic() + TURN_S
        # In hand, and since when. One that hangs must not stop the others of its lane.
        in_hand: dict[asyncio.Task[None], float] = {}
        carried: float | None = None  # deliveries a request, the last time
        probing: Lane | None = None
        async with asyncio.TaskGroup() as group:
            while True:
                if time.monotonic() > turn_ends and not _hangs(in_hand):
                    if await self._gives_way():
                        break
                    turn_ends = time.monotonic() + TURN_S
                room = AT_ONCE - len(in_hand)
                if room == 0:
                    await _make_room(in_hand, idle=True)
                    continue
                try:
                    haul = await self._claim(practice_id, lane_id, room, carried)
                except Exception as error:
                    # Raised here it would cancel what is in hand. Nothing was claimed: the
                    # dispatcher wakes the lane again.
                    log.error("claim_failed", lane_id=lane_id, error=type(error).__name__)
                    break
                if haul is not None and haul.claimed:
                    parcels = await self._parcels(haul)
                    carried = len(haul.claimed) / max(1, len(parcels))
                    await self._give_back(haul.lane, parcels[room:])
                    async for parcel, slot in self._opened(haul.lane, parcels[:room]):
                        task = group.create_task(self._carry(haul.lane, parcel, slot))
                        in_hand[task] = time.monotonic()
                    if haul.probing:
                        probing = haul.lane
                        break
                elif not in_hand:
                    break
                await _make_room(in_hand, idle=haul is None or not haul.claimed)
        if probing is not None:
            await self._return_probe(probing)

    async def _return_probe(self, lane: Lane) -> None:
        """Should this fail, the lease ends by itself."""
        async with self.database.as_worker(lane.practice_id) as connection:
            await return_probe(connection, lane.credential_id, self.name)

    async def _gives_way(self) -> bool:
        if self.stopping.is_set():
            return True
        try:
            return await self.crowded()
        except Exception as error:
            # Raised, it would cancel what is in hand.
            log.warning("lane_gives_way", error=type(error).__name__)
            return True

    async def _claim(
        self,
        practice_id: UUID,
        lane_id: UUID,
        room: int = AT_ONCE,
        carried: float | None = None,
    ) -> Haul | None:
        """What is due, if the lane may send: as much as `room` requests will take, judging by
        what they `carried` lately."""
        async with self.database.as_worker(practice_id) as connection:
            row = await connection.fetchrow(_LANE, lane_id)
            if row is None or row["integration"] not in self.rooms:
                return None
            paused = row["state"] != "open"
            if paused and not row["paused_for_phi"]:
                return None
            if not await connection.fetchval(_WAITING, lane_id, paused):
                return None
            passage = await ask_passage(connection, row["credential_id"], self.name)
            if not passage.allowed:
                return None
            lane = self._lane(row)
            if carried is None:
                carried = LARGEST_CLAIM if lane.provider.batch is not None else 1.0
            most = max(1, min(int(room * carried), LARGEST_CLAIM))
            claimed = await claim(
                connection,
                self.vault,
                lane_id,
                1 if passage.probe else most,
                self.name,
                without_phi=paused,
            )
            left = await read_left(connection, self.vault, claimed)
            return Haul(lane, claimed, left, passage.probe)

    async def _parcels(self, haul: Haul) -> list[Parcel]:
        """The requests to be made of a haul. What is not to be sent is put down."""
        good: list[Claimed] = []
        held: dict[str, list[Claimed]] = {}
        expired: list[Claimed] = []
        hopeless = set(_hopeless(haul))
        for number, each in enumerate(haul.claimed):
            if number % BREATH == 0:
                await asyncio.sleep(0)
            if reason := _not_again(haul, each, hopeless):
                held.setdefault(reason, []).append(each)
            elif each.expired and not each.was_unknown:
                expired.append(each)
            else:
                with following(each.traceparent):
                    if await self._may_leave(haul.lane, each):
                        good.append(each)
        for reason, members in held.items():
            await self._settle(members, _holding(reason))
        if expired:
            await self._settle(expired, expire)
        return pack(good, haul.lane.provider, haul.left)

    async def _may_leave(self, lane: Lane, each: Claimed) -> bool:
        """Whether our own rules let it go. Our own trouble with it must not stop the others."""
        try:
            evidence = _refusal(lane, each)
            opens_at = each.claimed_now if each.perhaps_left else each.opens_at
        except Exception as error:
            log.error("attempt_broke", delivery_id=each.id, error=type(error).__name__)
            await self._settle([each], let_go)
            return False
        if evidence is None and opens_at > each.claimed_now:
            if each.worth_waiting:
                await self._settle([each], _waiting(opens_at))
                return False
            evidence = Evidence("refused_locally", code=OUT_OF_HOURS)
        if evidence is not None:
            await self._fail(lane, [each], None, evidence)
        return evidence is None

    async def _opened(
        self, lane: Lane, parcels: Sequence[Parcel]
    ) -> AsyncIterator[tuple[Parcel, Slot]]:
        """Each parcel with its slot, as soon as its attempt is on disk. One that may not leave
        is given back."""
        sender = Sender(
            practice_id=lane.practice_id,
            lane_id=lane.id,
            lane_class=lane.lane_class,
            credential_id=lane.credential_id,
            integration=lane.integration,
            worker=self.name,
            deadline_s=lane.provider.deadline_s,
        )
        waiting = list(parcels)
        while waiting:
            try:
                opened = await open_attempts(self.database, sender, waiting)
                await self._give_back(lane, opened.stopped)
            except Exception as error:
                # Perhaps opened, perhaps not: the ledger tells, once it can be asked.
                first = waiting[0].first
                log.error("attempt_broke", delivery_id=first.id, error=type(error).__name__)
                await self._settle([m for parcel in waiting for m in parcel.members], let_go)
                return
            for leaving in opened.leaving:
                yield leaving
            del waiting[: len(opened.leaving) + len(opened.stopped)]
            if waiting:
                await asyncio.sleep(max(0.005, opened.wait_s))

    async def _carry(self, lane: Lane, parcel: Parcel, slot: Slot) -> None:
        """One attempt. Our own trouble with it must not cut off the others."""
        with following(parcel.traceparent):
            try:
                await self._attempt(lane, parcel, slot)
            except Exception as error:
                log.error("attempt_broke", delivery_id=parcel.first.id, error=type(error).__name__)
                await self._settle(parcel.members, let_go)

    async def _attempt(self, lane: Lane, parcel: Parcel, slot: Slot) -> None:
        http = DeadlinedHttp(lane.client, lane.provider.deadline_s, parcel.traceparent)
        adapter = lane.provider.adapter(http, lane.credential)
        await keep_slot(slot)
        began = time.monotonic()

        def ended() -> Attempt:
            now = time.monotonic()
            return Attempt(parcel.attempt_id, (now - began) * 1000, slot, now)

        try:
            results = await self._send(adapter, lane.provider, parcel)
        except ProviderError as error:
            await self._fail(lane, parcel.members, ended(), error.evidence, parcel)
            return
        except Refused as error:
            evidence = Evidence("refused_locally", code=error.code)
            await self._fail(lane, parcel.members, ended(), evidence, parcel)
            return
        attempt = ended()
        if results is None:
            await self._not_now(lane, parcel.first, attempt)
            return
        await self._settle(
            parcel.members,
            lambda connection, mine: settle_answer(connection, mine, parcel, attempt, results),
        )

    async def _send(
        self, adapter: Adapter, provider: Provider, parcel: Parcel
    ) -> Sequence[Receipt | Evidence] | None:
        """What the provider says of each payload; None if it has not got what was unknown, and the
        hours for that are over. Raises ProviderError, Refused."""
        if parcel.batch_id is not None:
            return await _send_batch(adapter, provider, parcel)
        if parcel.repeats:
            receipt = await _reconcile(adapter, parcel, await self._taken(parcel))
            if receipt is not None:
                return [receipt]
            if parcel.first.opens_at > parcel.first.claimed_now:
                return None
            async with self.database.as_worker(parcel.first.practice_id) as connection:
                if not await send_after_all(connection, parcel.attempt_id):
                    raise LookupError("the attempt was taken back meanwhile")
        return [await adapter.send(parcel.payloads[0], idempotency_key=parcel.key)]

    async def _not_now(self, lane: Lane, each: Claimed, attempt: Attempt) -> None:
        if not each.worth_waiting:
            evidence = Evidence("refused_locally", code=OUT_OF_HOURS)
            await self._fail(lane, [each], attempt, evidence)
            return

        async def wait(connection: Connection, mine: list[Claimed]) -> None:
            await settle_absent(connection, mine, attempt)
            await wait_for_hours(connection, mine, each.opens_at)

        await self._settle([each], wait)

    async def _taken(self, parcel: Parcel) -> Collection[str]:
        """The provider's ids of what others of ours have sent to the same recipient."""
        async with self.database.as_worker(parcel.first.practice_id) as connection:
            return await taken_ids(connection, parcel.first.id)

    async def _fail(
        self,
        lane: Lane,
        members: Sequence[Claimed],
        attempt: Attempt | None,
        evidence: Evidence,
        parcel: Parcel | None = None,
    ) -> None:
        case = classify(lane.cases, evidence)
        batch = parcel is not None and parcel.batch_id is not None
        await self._settle(
            members,
            lambda connection, mine: settle_failure(
                connection,
                Failure(mine, attempt, evidence, case, batch),
                self.actions,
                self.random,
            ),
        )

    async def _give_back(self, lane: Lane, parcels: Iterable[Parcel]) -> None:
        members = [member for parcel in parcels for member in parcel.members]
        if members:
            async with self.database.as_worker(lane.practice_id) as connection:
                await give_back(connection, members)

    async def _settle(
        self,
        members: Sequence[Claimed],
        write: Callable[[Connection, list[Claimed]], Awaitable[None]],
    ) -> None:
        """Write a result down for those still ours, holding on to it while the database is
        away. Whatever another worker holds now is that one's: the key keeps it from going
        twice."""
        give_up_at = time.monotonic() + SETTLE_FOR_S
        while True:
            try:
                async with self.database.as_worker(members[0].practice_id) as connection:
                    mine = await lock_mine(connection, members)
                    if mine:
                        await write(connection, mine)
                break
            except (*CONNECTION_LOST, asyncpg.TransactionRollbackError) as error:
                if time.monotonic() > give_up_at:
                    raise
                log.warning("settle_waits", delivery_id=members[0].id, error=type(error).__name__)
                await asyncio.sleep(0.5)
        if len(mine) < len(members):
            count = len(members) - len(mine)
            log.warning("fenced", delivery_id=members[0].id, count=count, worker=self.name)

    def _lane(self, row: Any) -> Lane:
        provider = self.rooms[row["integration"]].provider(row["provider"])
        secrets = json.loads(self.vault.open(row["practice_id"], "credential", row["secrets"]))
        return Lane(
            id=row["id"],
            practice_id=row["practice_id"],
            lane_class=row["class"],
            credential_id=row["credential_id"],
            integration=row["integration"],
            provider=provider,
            credential=Credential(
                str(row["practice_id"]),
                row["endpoint"],
                row["base_url"],
                secrets,
                hook_url(self.site_url, row["integration"], row["endpoint"]),
            ),
            client=self.clients[row["live"]],
            cases=self.cases(row["integration"], row["provider"]),
            test_only=row["test_only"],
            barred=row["barred"],
        )


def _hangs(in_hand: Mapping[asyncio.Task[None], float]) -> bool:
    """Whether one has been in hand for a whole turn: the wake-up must stay for it anyway."""
    return any(time.monotonic() - began > TURN_S for began in in_hand.values())


async def _make_room(in_hand: dict[asyncio.Task[None], float], *, idle: bool) -> None:
    """Wait until half the requests are done, though never longer than a look at the lane is
    worth. `idle`, with nothing found to claim, one must be done at least."""
    ends = time.monotonic() + LOOK_AGAIN_S
    while idle or len(in_hand) > AT_ONCE // 2:
        left_s = max(0.0, ends - time.monotonic())
        done, _ = await asyncio.wait(in_hand, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            del in_hand[task]
        if not done:
            return
        idle = False


def _not_again(haul: Haul, each: Claimed, hopeless: set[UUID]) -> str | None:
    """Why a person should look before this is touched again, if they should. Of an unknown
    batch, everything in it is looked at: it would go again with this one."""
    payloads: tuple[bytes, ...] = (each.payload,)
    if each.batch_id is not None:
        payloads = haul.left[each.batch_id].payloads
    if not all(payloads):
        return "its content cannot be opened"
    if each.starts > POISON_STARTS:
        return f"taken up {each.starts - 1} times and never finished: it may be what stops workers"
    useless = each.expired if each.batch_id is None else each.batch_id in hopeless
    if each.was_unknown and useless:
        return "outcome unknown, and no longer useful to send"
    provider, test_only = haul.lane.provider, haul.lane.test_only
    if each.perhaps_left and any(provider.refuse_outside_tests(p, test_only) for p in payloads):
        return "outcome unknown, and its credential reaches test addresses only by now"
    return None


def _refusal(lane: Lane, each: Claimed) -> Evidence | None:
    """Why this may not leave, by our own rules, before anything is asked of the provider.

    What was perhaps sent is only kept from going without an agreement: whether it was, the
    provider alone can say.
    """
    barred = refuse_phi(barred=lane.barred, carries_phi=each.carries_phi)
    if barred is not None or each.perhaps_left:
        return barred
    if (suppressed := refuse_suppressed(each.suppressed, lane.cases)) is not None:
        return suppressed
    tests = lane.provider.refuse_outside_tests(each.payload, lane.test_only)
    if tests is not None or each.bypass_guard:
        return tests
    return lane.provider.guard(each.payload)


def _hopeless(haul: Haul) -> Iterable[UUID]:
    """The unknown batches of which nothing is useful any more. While something is, the batch is
    asked for, and what is not goes with it: the request must be the same to the letter."""
    for batch_id in haul.left:
        if all(each.expired for each in haul.claimed if each.batch_id == batch_id):
            yield batch_id


def _holding(reason: str) -> Callable[[Connection, list[Claimed]], Awaitable[None]]:
    return lambda connection, mine: hold(connection, mine, reason)


def _waiting(opens_at: datetime) -> Callable[[Connection, list[Claimed]], Awaitable[None]]:
    return lambda connection, mine: wait_for_hours(connection, mine, opens_at)


async def _send_batch(
    adapter: Adapter, provider: Provider, parcel: Parcel
) -> Sequence[Receipt | Evidence]:
    assert isinstance(adapter, BatchAdapter)
    assert provider.batch is not None
    if parcel.repeats and parcel.age_s >= provider.batch.key_lasts.total_seconds():
        raise ProviderError(Evidence("refused_locally", code="idempotency_window_passed"))
    results = await adapter.send_batch(parcel.payloads, idempotency_key=parcel.key)
    if len(results) != len(parcel.payloads):
        raise ProviderError(Evidence("malformed"))
    return results


async def _reconcile(adapter: Adapter, parcel: Parcel, taken: Collection[str]) -> Receipt | None:
    [payload] = parcel.payloads
    return await adapter.reconcile(
        payload,
        idempotency_key=parcel.key,
        first_attempt_age=timedelta(seconds=parcel.age_s),
        last_send_age=timedelta(seconds=parcel.send_age_s),
        taken=taken,
    )
