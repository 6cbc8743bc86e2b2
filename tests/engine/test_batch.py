"""Several deliveries in one request: whole while its outcome is unknown, apart otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from mentalspace.engine.claim import Claimed, LeftBatch
from mentalspace.engine.decisions import release
from mentalspace.engine.parcel import pack
from mentalspace.kernel.case import Disposition, Match
from tests.engine.toy import BATCHING, CASES, PROVIDER, Bench, Reply, case

HOUR = timedelta(hours=1)


@pytest.fixture
def batching(bench: Bench) -> Bench:
    bench.provider = BATCHING
    return bench


async def deliver(bench: Bench, *payloads: bytes, **options: Any) -> list[UUID]:
    return [await bench.deliver(payload, **options) for payload in payloads]


async def statuses(bench: Bench, ids: Iterable[UUID]) -> list[str]:
    return [await bench.status(each) for each in ids]


def carried(bench: Bench) -> list[tuple[bytes, ...]]:
    """The batches that arrived, as often as they did."""
    return [request.payloads for request in bench.server.sends() if request.payloads]


async def test_what_is_due_together_leaves_in_one_request(batching: Bench) -> None:
    """Three deliveries are one attempt and one request; each is accepted under its own id."""
    ids = await deliver(batching, b"a", b"b", b"c")
    await batching.turn()
    assert carried(batching) == [(b"a", b"b", b"c")]
    [request] = batching.server.sends()
    taken = batching.server.batches[request.key]
    rows = [await batching.row(each) for each in ids]
    assert [row["status"] for row in rows] == ["accepted"] * 3
    assert [row["provider_message_id"] for row in rows] == [taken[p] for p in (b"a", b"b", b"c")]
    assert await batching.kinds(ids[1]) == ["delivery_created", "attempt_opened", "accepted"]
    attempts = await batching.admin.fetch("select state, idempotency_key, size from attempt")
    assert [tuple(row) for row in attempts] == [("succeeded", request.key, 3)]


async def test_a_batch_is_on_disk_before_it_leaves(batching: Bench) -> None:
    """While the provider works on it, its key, its members and their order can be read."""
    gate = asyncio.Event()
    batching.server.script.append(Reply(gate=gate))
    ids = await deliver(batching, b"a", b"b")
    turn = asyncio.create_task(batching.turn())
    await batching.server.arrived.wait()
    rows = await batching.admin.fetch(
        "select a.idempotency_key, a.state, ad.delivery_id, d.batch_id = a.id as names_it"
        " from attempt a join attempt_delivery ad on ad.attempt_id = a.id"
        " join delivery d on d.id = ad.delivery_id order by ad.place"
    )
    gate.set()
    await turn
    key = batching.server.sends()[0].key
    assert [tuple(row) for row in rows] == [(key, "open", each, True) for each in ids]


async def test_more_than_the_provider_takes_are_several_batches(batching: Bench) -> None:
    """Nine deliveries at four a batch are three requests."""
    ids = await deliver(batching, *(b"%d" % number for number in range(9)))
    await batching.turn()
    assert set(await statuses(batching, ids)) == {"accepted"}
    assert sorted(len(request.payloads) for request in batching.server.sends()) == [0, 4, 4]


# Unknown outcomes ---------------------------------------------------------------------------


async def test_an_unknown_batch_is_asked_for_whole(batching: Bench) -> None:
    """After a lost answer another worker repeats the same request under the same key; all are
    accepted, and nothing twice."""
    batching.server.script.append(Reply(lost=True))
    ids = await deliver(batching, b"a", b"b", b"c")
    await batching.turn(batching.worker("worker:one"))
    assert await statuses(batching, ids) == ["unknown"] * 3
    await deliver(batching, b"later")
    await batching.advance(HOUR)
    await batching.turn(batching.worker("worker:two"))
    first, *others = batching.server.sends()
    [again] = [request for request in others if request.payloads]
    assert (again.key, again.payloads) == (first.key, first.payloads)
    assert await statuses(batching, ids) == ["accepted"] * 3
    assert sorted(batching.server.taken) == [b"a", b"b", b"c"]
    assert (await batching.row(ids[0]))["reconciliations"] == 1


async def test_what_a_dead_worker_had_sent_is_asked_for_by_another(batching: Bench) -> None:
    """A worker silent since its batch left is taken for dead; another repeats the batch, and the
    dead one's late answer changes nothing."""
    await batching.past_the_restart()
    gate = asyncio.Event()
    batching.server.script.append(Reply(gate=gate))
    ids = await deliver(batching, b"a", b"b")
    await batching.dispatch()
    lane = (await batching.row(ids[0]))["lane_id"]
    dead = batching.worker("worker:dead").work(f"{batching.practice_id}/{lane}")
    zombie = asyncio.create_task(dead)
    await batching.server.arrived.wait()
    await batching.turn(batching.worker("worker:live"))
    before = [await batching.row(each) for each in ids]
    gate.set()
    await zombie
    assert [row["status"] for row in before] == ["accepted"] * 2
    assert [await batching.row(each) for each in ids] == before
    assert carried(batching) == [(b"a", b"b")] * 2
    assert batching.server.taken == [b"a", b"b"]


async def test_an_unanswered_question_leaves_it_unknown(batching: Bench) -> None:
    """A repeated batch that meets 429 and 503 stays one batch under its key until it is answered;
    a case that would try its parts again by themselves does not matter."""
    batching.cases = (
        *(c for c in CASES if c.id != "toy.silence"),
        case("silence", Match(kind=frozenset({"timeout", "reset"})), Disposition.RETRY),
    )
    batching.server.script.extend([Reply(lost=True), Reply(http=429), Reply(http=503)])
    ids = await deliver(batching, b"a", b"b")
    await batching.turns(3)
    assert await statuses(batching, ids) == ["unknown"] * 2
    await batching.turns(1)
    assert await statuses(batching, ids) == ["accepted"] * 2
    assert len({request.key for request in batching.server.sends()}) == 1
    assert carried(batching) == [(b"a", b"b")] * 4


async def test_while_one_is_useful_the_whole_batch_is_asked_for(batching: Bench) -> None:
    """One member of an unknown batch is past its use; the request is repeated to the letter all
    the same. Once none is useful, all are a person's."""
    batching.server.script.extend([Reply(lost=True), Reply(http=503)])
    short = await batching.deliver(b"a", expires_in=timedelta(hours=2))
    long = await batching.deliver(b"b", expires_in=timedelta(hours=12))
    await batching.turn()
    await batching.advance(timedelta(hours=3))
    await batching.turn()
    assert carried(batching) == [(b"a", b"b")] * 2
    assert await statuses(batching, [short, long]) == ["unknown"] * 2
    await batching.advance(timedelta(hours=10))
    await batching.turn()
    assert await statuses(batching, [short, long]) == ["held"] * 2
    assert len(carried(batching)) == 2


async def test_one_release_asks_for_the_whole_batch(batching: Bench) -> None:
    """A person lets one member of a held unknown batch go on: the batch is asked for under its
    key, so nothing goes twice, and the answer settles the others too."""
    batching.cases = (
        *(c for c in CASES if c.id != "toy.busy"),
        case("busy", Match(http=frozenset({503})), Disposition.HUMAN),
    )
    batching.server.script.extend([Reply(lost=True), Reply(http=503)])
    ids = await deliver(batching, b"a", b"b")
    await batching.turns(2)
    assert await statuses(batching, ids) == ["held"] * 2
    async with batching.database.as_oncall() as connection:
        assert await release(connection, ids[1], "somebody")
    await batching.turn()
    assert await statuses(batching, ids) == ["accepted"] * 2
    assert carried(batching) == [(b"a", b"b")] * 3
    assert batching.server.taken == [b"a", b"b"]


async def test_once_the_key_is_forgotten_a_release_sends_one_alone(batching: Bench) -> None:
    """Past the key's window an unknown batch is held, and what a person then releases goes by
    itself under its own key."""
    batching.server.script.append(Reply(lost=True))
    ids = await deliver(batching, b"a", b"b")
    await batching.turn()
    await batching.advance(timedelta(hours=25))
    await batching.turn()
    assert await statuses(batching, ids) == ["held"] * 2
    assert len(carried(batching)) == 1
    async with batching.database.as_oncall() as connection:
        assert await release(connection, ids[0], "somebody")
    await batching.turn()
    assert await statuses(batching, ids) == ["accepted", "held"]
    assert list(batching.server.accepted) == [(await batching.row(ids[0]))["idempotency_key"]]


# Surely not sent ----------------------------------------------------------------------------


async def test_a_refused_one_goes_by_itself_and_meets_its_error(batching: Bench) -> None:
    """The provider takes a batch but for one; that one is sent alone, and refused by its case."""
    batching.server.script.extend([Reply(refused=frozenset({b"b"})), Reply(http=422)])
    ids = await deliver(batching, b"a", b"b", b"c")
    await batching.turns(2)
    rows = [await batching.row(each) for each in ids]
    assert [row["status"] for row in rows] == ["accepted", "refused", "accepted"]
    assert rows[1]["last_case"] == "toy.no_such_person"
    assert "left_batch" in await batching.kinds(ids[1])
    assert [len(request.payloads) for request in batching.server.sends()] == [3, 0]


@pytest.mark.parametrize("http", [422, 418])
async def test_a_batch_refused_as_a_whole_falls_apart(batching: Bench, http: int) -> None:
    """What is final for a batch is said of each by itself: two of three are good."""
    batching.server.script.extend([Reply(http=http), Reply(http=422)])
    ids = await deliver(batching, b"a", b"b", b"c")
    await batching.turns(2)
    assert sorted(await statuses(batching, ids)) == ["accepted", "accepted", "refused"]
    assert [len(request.payloads) for request in batching.server.sends()] == [3, 0, 0, 0]


async def test_a_batch_that_did_not_go_is_packed_anew(batching: Bench) -> None:
    """After 503 the deliveries wait together and leave in another batch under another key; the
    breaker has counted one failure, not three."""
    batching.server.script.append(Reply(http=503))
    ids = await deliver(batching, b"a", b"b", b"c")
    await batching.turn()
    assert await statuses(batching, ids) == ["pending"] * 3
    assert (await batching.breaker())["recent"] == "F"
    await batching.turns(1)
    assert await statuses(batching, ids) == ["accepted"] * 3
    first, second = batching.server.sends()
    assert sorted(first.payloads) == sorted(second.payloads)
    assert first.key != second.key


async def test_what_stops_workers_takes_nobody_with_it(batching: Bench) -> None:
    """Claimed a third time without an end, each goes by itself."""
    await batching.past_the_restart()
    ids = await deliver(batching, b"a", b"b")
    lane = (await batching.row(ids[0]))["lane_id"]
    for number in range(2):
        await batching.dispatch()
        await batching.worker(f"worker:dies-{number}")._claim(batching.practice_id, lane)
    await batching.turn()
    assert await statuses(batching, ids) == ["accepted"] * 2
    assert carried(batching) == []


# What may travel together ---------------------------------------------------------------------


def claimed(payload: bytes = b"x", **changes: Any) -> Claimed:
    return replace(
        Claimed(
            id=uuid4(),
            practice_id=uuid4(),
            lane_id=uuid4(),
            credential_id=uuid4(),
            client_id=None,
            subject_id=None,
            integration="toy",
            idempotency_key=f"toy/{uuid4()}",
            payload=payload,
            bypass_guard=False,
            carries_phi=True,
            suppressed=None,
            attempts=0,
            starts=1,
            was_unknown=False,
            first_attempt_age_s=0.0,
            expired=False,
            traceparent="00-" + "0" * 32 + "-" + "0" * 16 + "-01",
            drill=None,
            token=uuid4(),
        ),
        **changes,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"payload": b"big"},
        {"alone": True},
        {"bypass_guard": True},
        {"expires_soon": True},
        {"was_unknown": True},
        {"starts": 3},
        {"drill": "a"},
        {"carries_phi": False},
    ],
)
def test_some_go_by_themselves(changes: dict[str, Any]) -> None:
    """What does not fit, what a batch refused, what a drill forces or makes, what may be too late
    for a question, and what is unknown or suspect does not travel with the others."""
    odd, others = claimed(**changes), [claimed(), claimed()]
    parcels = pack([others[0], odd, others[1]], BATCHING, {})
    assert sorted(len(parcel) for parcel in parcels) == [1, 2]
    [single] = [parcel for parcel in parcels if len(parcel) == 1]
    assert (single.first, single.key, single.batch_id) == (odd, odd.idempotency_key, None)


def test_no_provider_takes_batches_unasked() -> None:
    """Without the provider's word everything goes one by one, under its own key."""
    each = [claimed(), claimed()]
    assert [p.key for p in pack(each, PROVIDER, {})] == [one.idempotency_key for one in each]


def test_a_repeated_batch_holds_all_that_was_in_it() -> None:
    """Only one of three is in hand; the request has all three in their places."""
    batch_id, mine = uuid4(), claimed(b"b", was_unknown=True)
    mine = replace(mine, batch_id=batch_id)
    places = {uuid4(): 0, mine.id: 1, uuid4(): 2}
    left = {batch_id: LeftBatch(batch_id, "batch/k", 60.0, (b"a", b"b", b"c"), places)}
    [parcel] = pack([mine], BATCHING, left)
    assert (parcel.key, parcel.payloads) == ("batch/k", (b"a", b"b", b"c"))
    assert (parcel.members, parcel.places, parcel.repeats) == ((mine,), (1,), True)
