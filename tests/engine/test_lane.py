"""A lane's work: attempts, retries, unknown outcomes, dead workers, poison."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from random import Random
from uuid import UUID

import asyncpg
import pytest

from mentalspace.engine import lane
from mentalspace.engine.backoff import CAP_S, backoff_s
from mentalspace.engine.claim import taken_ids
from mentalspace.engine.parcel import Parcel
from mentalspace.kernel.case import Disposition, Match
from mentalspace.kernel.delivery import Receipt
from mentalspace.kernel.integration import Adapter
from tests.engine.toy import CASES, PROVIDER, Bench, Reply, case
from tests.house import until


async def test_a_good_answer_is_one_attempt(bench: Bench) -> None:
    """A delivery that the provider takes is accepted after one attempt under its own key."""
    delivery = await bench.deliver(key="toy/the-key")
    await bench.turn()
    row = await bench.row(delivery)
    assert (row["status"], row["attempts"], row["starts"]) == ("accepted", 1, 0)
    assert row["provider_message_id"] == bench.server.accepted["toy/the-key"]
    assert await bench.kinds(delivery) == ["delivery_created", "attempt_opened", "accepted"]


async def test_the_key_is_on_disk_before_the_request_leaves(bench: Bench) -> None:
    """While the provider still works on a request, the attempt and its key can be read."""
    gate = asyncio.Event()
    bench.server.script.append(Reply(gate=gate))
    await bench.deliver(key="toy/first-on-disk")
    turn = asyncio.create_task(bench.turn())
    await bench.server.arrived.wait()
    row = await bench.admin.fetchrow("select state, idempotency_key from attempt")
    gate.set()
    await turn
    assert row is not None
    assert tuple(row) == ("open", "toy/first-on-disk")


async def test_what_no_case_matches_is_held_for_a_person(bench: Bench) -> None:
    """An answer nobody has described stops the delivery and shows it, with the answer's status."""
    bench.server.script.append(Reply(http=418))
    delivery = await bench.deliver()
    await bench.turns(3)
    row = await bench.row(delivery)
    assert row["status"] == "held"
    assert "418" in row["held_reason"]
    assert len(bench.server.sends()) == 1


async def test_our_own_guard_sends_nothing(bench: Bench) -> None:
    """What the provider would surely refuse is refused here, without a request."""
    delivery = await bench.deliver(b"invalid")
    await bench.turn()
    assert await bench.status(delivery) == "refused"
    assert bench.server.requests == []


async def test_the_runbook_alone_decides_how_often(bench: Bench) -> None:
    """Flipping one case from retry to refuse changes the number of attempts, and no code."""
    bench.server.script.extend([Reply(http=503)] * 2)
    patient = await bench.deliver()
    await bench.turns(4)
    assert (await bench.row(patient))["attempts"] == 3
    bench.cases = (
        *(c for c in CASES if c.id != "toy.busy"),
        case("busy", Match(http=frozenset({503})), Disposition.REFUSE),
    )
    bench.server.script.extend([Reply(http=503)] * 2)
    strict = await bench.deliver()
    await bench.turns(2)
    row = await bench.row(strict)
    assert (row["status"], row["attempts"]) == ("refused", 1)


async def test_twelve_failures_are_enough(bench: Bench) -> None:
    """A delivery that fails again and again is held in the end, never tried for ever."""
    bench.server.usual = Reply(http=429)
    delivery = await bench.deliver()
    await bench.turns(14)
    row = await bench.row(delivery)
    assert (row["status"], row["attempts"]) == ("held", 12)
    assert len(bench.server.sends()) == 12


async def test_retry_after_is_a_floor(bench: Bench) -> None:
    """After 429 with Retry-After the next request comes no sooner than the provider asked."""
    bench.server.script.append(Reply(http=429, headers={"Retry-After": "60"}))
    delivery = await bench.deliver()
    await bench.turn()
    await bench.advance(timedelta(seconds=55))
    await bench.turn()
    assert len(bench.server.sends()) == 1
    await bench.advance(timedelta(seconds=70))
    await bench.turn()
    assert await bench.status(delivery) == "accepted"


async def test_a_very_long_retry_after_parks_the_lane(bench: Bench) -> None:
    """More than an hour is asked of the lane, not of one delivery; others wait as well."""
    bench.server.script.append(Reply(http=429, headers={"Retry-After": "7200"}))
    await bench.deliver()
    await bench.turn()
    later = await bench.deliver()
    await bench.advance(timedelta(minutes=110))
    await bench.turn()
    assert await bench.lane_states() == {"paused"}
    assert len(bench.server.sends()) == 1
    await bench.advance(timedelta(minutes=11))
    await bench.dispatch()
    await bench.turn()
    assert await bench.status(later) == "accepted"


def test_back_off_is_full_jitter_over_its_floor() -> None:
    """Waits lie anywhere under a doubling bound, stay under the cap, and never under the floor."""
    random = Random(7)
    for attempts in range(30):
        waits = [backoff_s(attempts, random) for _ in range(200)]
        bound = min(CAP_S, 2.0 * 2**attempts)
        assert max(waits) <= bound
        assert min(waits) < bound / 4
        assert max(waits) > bound / 2
        assert all(60 <= backoff_s(attempts, random, floor_s=60) <= 120 for _ in range(50))


async def test_expired_is_not_sent(bench: Bench) -> None:
    """A delivery whose use has passed while it waited expires and never leaves."""
    delivery = await bench.deliver(expires_in=timedelta(minutes=5))
    await bench.advance(timedelta(minutes=6))
    await bench.turn()
    assert await bench.status(delivery) == "expired"
    assert bench.server.requests == []


async def test_expiry_between_claim_and_send_is_noticed(bench: Bench) -> None:
    """A worker that claims a delivery past its use lets it expire instead of sending it."""
    delivery = await bench.deliver(expires_in=timedelta(minutes=5))
    await bench.dispatch()
    await bench.advance(timedelta(minutes=6))
    worker = bench.worker()
    lane_id = (await bench.row(delivery))["lane_id"]
    await worker.work(f"{bench.practice_id}/{lane_id}")
    assert await bench.status(delivery) == "expired"
    assert bench.server.requests == []


# Unknown outcomes ---------------------------------------------------------------------------


async def test_an_unknown_outcome_is_asked_for_before_any_retry(bench: Bench) -> None:
    """A lost answer to an accepted request is looked up; nothing is sent a second time."""
    bench.server.script.append(Reply(lost=True))
    delivery = await bench.deliver(key="toy/lost")
    await bench.turn()
    assert await bench.status(delivery) == "unknown"
    await bench.turns(1)
    row = await bench.row(delivery)
    assert (row["status"], row["reconciliations"]) == ("accepted", 1)
    assert [r.method for r in bench.server.requests] == ["POST", "GET"]
    assert list(bench.server.accepted) == ["toy/lost"]


async def test_what_is_sent_anew_is_as_fresh_as_a_first_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found to be nowhere and sent again, its second answer is lost as well: a provider whose list
    lags must be asked by the age of that second sending."""
    ages: list[tuple[float, float]] = []
    ask = lane._reconcile

    async def asked(adapter: Adapter, parcel: Parcel, taken: Collection[str]) -> Receipt | None:
        ages.append((parcel.age_s, parcel.send_age_s))
        return await ask(adapter, parcel, taken)

    monkeypatch.setattr(lane, "_reconcile", asked)
    nowhere = Reply(lost=True, accept=False)
    bench.server.script += [nowhere, nowhere]
    delivery = await bench.deliver()
    await bench.turn()
    await bench.turns(1, timedelta(hours=2))
    assert await bench.status(delivery) == "unknown"
    await bench.turns(1, timedelta(hours=1))
    assert await bench.status(delivery) == "accepted"
    hours = [(round(first / 3600), round(last / 3600)) for first, last in ages]
    assert hours == [(2, 2), (3, 1)]


async def test_what_the_provider_surely_has_not_is_sent_under_the_same_key(bench: Bench) -> None:
    """A request that never counted is asked for, then repeated with its first key; one arrives."""
    bench.server.script.append(Reply(lost=True, accept=False))
    await bench.deliver(key="toy/never-counted")
    await bench.turn()
    await bench.turns(1)
    assert [(r.method, r.key) for r in bench.server.requests] == [
        ("POST", "toy/never-counted"),
        ("GET", "toy/never-counted"),
        ("POST", "toy/never-counted"),
    ]
    assert len(bench.server.accepted) == 1


async def test_who_asks_by_content_is_told_what_is_anothers(bench: Bench) -> None:
    """The ids of others to the same recipient are known when an outcome is asked for; those to
    somebody else are no answer to it anyway."""
    first = await bench.deliver()
    await bench.deliver(to="another@clients.example")
    await bench.turn()
    bench.server.script.append(Reply(lost=True))
    lost = await bench.deliver()
    await bench.turn()
    async with bench.database.as_worker(bench.practice_id) as connection:
        taken = await taken_ids(connection, lost)
    assert taken == {(await bench.row(first))["provider_message_id"]}


async def test_an_unknown_older_than_the_keys_window_is_a_persons(bench: Bench) -> None:
    """Once the provider has forgotten the key, an unknown delivery is held and never repeated."""
    bench.server.script.append(Reply(lost=True))
    delivery = await bench.deliver()
    await bench.turn()
    await bench.advance(timedelta(hours=25))
    await bench.turn()
    assert await bench.status(delivery) == "held"
    assert len(bench.server.requests) == 1


async def test_an_unknown_that_is_no_longer_useful_is_a_persons(bench: Bench) -> None:
    """An expired delivery that was perhaps sent is shown to a person instead of sent or dropped."""
    bench.server.script.append(Reply(lost=True))
    delivery = await bench.deliver(expires_in=timedelta(minutes=30))
    await bench.turn()
    await bench.advance(timedelta(hours=1))
    await bench.turn()
    assert await bench.status(delivery) == "held"
    assert len(bench.server.requests) == 1


# Dead and undead workers ----------------------------------------------------------------------


async def test_what_a_dead_worker_had_claimed_goes_on_elsewhere(bench: Bench) -> None:
    """A claim without an attempt is due again, and another worker delivers it."""
    await bench.past_the_restart()
    delivery = await bench.deliver()
    await bench.dispatch()
    lane_id = (await bench.row(delivery))["lane_id"]
    await bench.worker("worker:dead")._claim(bench.practice_id, lane_id)
    assert await bench.status(delivery) == "sending"
    await bench.turn()
    assert await bench.status(delivery) == "accepted"
    assert "worker_lost" in await bench.kinds(delivery)


@pytest.mark.alone
@pytest.mark.parametrize("late", [Reply(http=422), Reply(http=503), Reply(http=418), Reply()])
async def test_a_zombie_changes_nothing(bench: Bench, late: Reply) -> None:
    """A worker thought dead, whose answer comes while another holds the delivery, cannot take it
    out of that one's hands, whatever the answer says."""
    await bench.past_the_restart()
    zombies_gate, gate = asyncio.Event(), asyncio.Event()
    bench.server.script.extend([replace(late, gate=zombies_gate), Reply(gate=gate)])
    delivery = await bench.deliver(key="toy/zombie")
    await bench.dispatch()
    lane_id = (await bench.row(delivery))["lane_id"]
    zombie = asyncio.create_task(
        bench.worker("worker:zombie").work(f"{bench.practice_id}/{lane_id}")
    )
    await until(lambda: _sent(bench, 1))
    live = asyncio.create_task(bench.turn(bench.worker("worker:live")))
    await until(lambda: _sent(bench, 2))
    held = await bench.row(delivery)
    assert (held["status"], held["claimed_by"]) == ("sending", "worker:live")
    zombies_gate.set()
    await zombie
    assert await bench.row(delivery) == held
    gate.set()
    await live
    assert await bench.status(delivery) == "accepted"
    assert len(bench.server.accepted) == 1


async def _sent(bench: Bench, count: int) -> bool:
    return len(bench.server.sends()) == count


async def test_poison_is_held_after_five_starts(bench: Bench) -> None:
    """A delivery whose worker dies each time it is taken up is held, and says why."""
    await bench.past_the_restart()
    poison = await bench.deliver()
    lane_id = (await bench.row(poison))["lane_id"]
    for number in range(5):
        await bench.dispatch()
        await bench.worker(f"worker:dies-{number}")._claim(bench.practice_id, lane_id)
        assert await bench.status(poison) == "sending"
    await bench.turn()
    row = await bench.row(poison)
    assert row["status"] == "held"
    assert "5 times" in row["held_reason"]
    assert bench.server.requests == []


async def test_one_unreadable_delivery_does_not_stop_its_lane(bench: Bench) -> None:
    """Content that cannot be opened is held; the lane's other deliveries leave."""
    broken, good = await bench.deliver(), await bench.deliver()
    await bench.admin.execute("update delivery set payload = $2 where id = $1", broken, b"\x01junk")
    await bench.turn()
    assert await bench.status(broken) == "held"
    assert await bench.status(good) == "accepted"


async def test_one_deliverys_trouble_does_not_cut_off_the_others(bench: Bench) -> None:
    """While one delivery fails through our own fault, its neighbour's answer is still awaited;
    the failing one is tried again and held in the end."""
    gate = asyncio.Event()
    bench.server.script.append(Reply(gate=gate))
    bench.provider = replace(PROVIDER, guard=_stumbles_over_bad)
    bad, neighbour = await bench.deliver(b"bad"), await bench.deliver(b"good")
    turn = asyncio.create_task(bench.turn())
    await bench.server.arrived.wait()
    await until(lambda: _is(bench, bad, "due"))
    gate.set()
    await turn
    row = await bench.row(neighbour)
    assert (row["status"], row["attempts"], row["starts"]) == ("accepted", 1, 0)
    await bench.turns(5)
    assert await bench.status(bad) == "held"


def _stumbles_over_bad(payload: bytes) -> None:
    if payload == b"bad":
        raise ZeroDivisionError


async def _is(bench: Bench, delivery: UUID, status: str) -> bool:
    return await bench.status(delivery) == status


@pytest.mark.parametrize("restarts", [1, 3])
async def test_a_database_that_goes_away_while_settling_loses_nothing(
    bench: Bench, admin_url: str, restarts: int
) -> None:
    """Every connection cut while answers are under way: all is accepted, and once."""
    gate = asyncio.Event()
    bench.server.usual = Reply(gate=gate)
    keys = [f"toy/cut-{number}" for number in range(8)]
    for key in keys:
        await bench.deliver(key=key)
    turn = asyncio.create_task(bench.turn())
    await bench.server.arrived.wait()
    other = await asyncpg.connect(admin_url)
    for _ in range(restarts):
        await other.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where usename = 'mentalspace_login'"
        )
        gate.set()
        await asyncio.sleep(0.05)
    await other.close()
    await turn
    bench.server.usual = Reply()
    await bench.turns(3)
    statuses = await bench.admin.fetch("select status, count(*) from delivery group by status")
    assert [tuple(row) for row in statuses] == [("accepted", 8)]
    assert sorted(bench.server.accepted) == keys


# Paused lanes -------------------------------------------------------------------------------


async def test_a_refused_key_pauses_until_it_is_rotated(bench: Bench) -> None:
    """A 401 pauses the lanes; nothing more is tried until the credential changes; then all goes."""
    bench.server.script.append(Reply(http=401))
    first = await bench.deliver()
    await bench.turn()
    second = await bench.deliver()
    await bench.turns(3)
    assert await bench.lane_states() == {"paused"}
    assert {await bench.status(first), await bench.status(second)} == {"pending"}
    assert len(bench.server.sends()) == 1
    await bench.save_credential(bench.practice_id, "default", "k-2")
    await bench.turn()
    assert {await bench.status(first), await bench.status(second)} == {"accepted"}


@pytest.mark.alone
@pytest.mark.parametrize("crowded", [True, False])
async def test_a_lane_gives_way_only_if_others_wait(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, crowded: bool
) -> None:
    """At the end of its turn a lane with more to do goes on at once, unless others wait for it."""
    # Longer than a slot is reserved ahead: what waits for its slot must not seem to hang.
    monkeypatch.setattr(lane, "TURN_S", 0.8)
    await bench.admin.execute("update credential set rate_per_s = 40, burst = 1")
    for _ in range(70):
        await bench.deliver()

    async def is_crowded() -> bool:
        return crowded

    await bench.turn(replace(bench.worker(), crowded=is_crowded))
    left = await bench.admin.fetchval("select count(*) from delivery where accepted_at is null")
    assert (left > 0) is crowded
