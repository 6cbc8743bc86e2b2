"""The breaker: it opens on the provider's faults, lets one probe through, and waits longer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mentalspace.engine.breaker import ask_passage, note_outcome, should_open
from tests.engine.toy import Bench, Reply


async def outcomes(bench: Bench, recent: str) -> list[str | None]:
    """Note them one by one: S good, F the provider's failure, A an answer that is not its fault."""
    moved = []
    for outcome in recent:
        async with bench.database.as_worker(bench.practice_id) as connection:
            moved.append(
                await note_outcome(
                    connection, bench.credential_id, good=outcome != "F", answered=outcome == "A"
                )
            )
    return moved


async def passage(bench: Bench, worker: str = "w") -> Any:
    async with bench.database.as_worker(bench.practice_id) as connection:
        return await ask_passage(connection, bench.credential_id, worker)


async def live(bench: Bench, *workers: str) -> None:
    """Let these workers' hearts beat once."""
    for worker in workers:
        await bench.admin.execute(
            "insert into heartbeat (process, kind, host, pid) values ($1, 'worker', 'here', 1)",
            worker,
        )


async def let_time_pass(bench: Bench) -> None:
    """The breaker keeps real time: what it waits for is moved instead."""
    await bench.admin.execute(
        "update credential_state set open_until = clock_timestamp() - interval '1 ms'"
    )


async def test_five_in_a_row_open_it(bench: Bench) -> None:
    """Four failures change nothing; the fifth in a row opens, and nothing passes any more."""
    assert await outcomes(bench, "FFFF") == [None] * 4
    assert (await passage(bench)).allowed
    assert await outcomes(bench, "F") == ["opened"]
    stopped = await passage(bench)
    assert not stopped.allowed
    assert 25 < stopped.wait_s <= 30


async def test_half_of_ten_opens_it(bench: Bench) -> None:
    """Five failures among the last ten open it, though no two followed each other."""
    assert await outcomes(bench, "SFSFSFSFS") == [None] * 9
    assert await outcomes(bench, "F") == ["opened"]


@given(st.text("SF", max_size=10))
def test_when_to_open(recent: str) -> None:
    """It opens on five failures at the end or half of a full window, and never otherwise."""
    in_a_row = len(recent) - len(recent.rstrip("F"))
    half = len(recent) == 10 and recent.count("F") >= 5
    assert should_open(recent) == (in_a_row >= 5 or half)


@pytest.mark.parametrize("http", [400, 422, 429])
async def test_our_own_and_the_recipients_faults_do_not_open_it(bench: Bench, http: int) -> None:
    """A dozen refusals that are not the provider's fault leave the breaker closed."""
    bench.server.usual = Reply(http=http)
    for _ in range(12):
        await bench.deliver()
    await bench.turn()
    assert len(bench.server.sends()) == 12
    assert (await bench.breaker())["breaker"] == "closed"


@pytest.mark.alone
async def test_a_batch_that_fails_together_opens_it_once(bench: Bench) -> None:
    """Ten requests under way at once that all fail open it for the first interval, not the tenth;
    what waits is not touched."""
    gate = asyncio.Event()
    bench.server.usual = Reply(http=503, gate=gate)
    for _ in range(15):
        await bench.deliver()
    turn = asyncio.create_task(bench.turn())
    while len(bench.server.sends()) < 10:
        await asyncio.sleep(0.01)
    gate.set()
    await turn
    state = await bench.breaker()
    assert state["breaker"] == "open"
    assert state["opens_in"] <= 30
    assert len(bench.server.sends()) == 10
    opened = await bench.admin.fetchval(
        "select count(*) from timeline where kind = 'breaker_opened'"
    )
    assert opened == 1


async def test_one_probe_passes_whoever_asks(bench: Bench) -> None:
    """When its time has come one worker gets the probe, and all others wait for what it says."""
    await outcomes(bench, "FFFFF")
    await let_time_pass(bench)
    await live(bench, *(f"w-{n}" for n in range(8)))
    passages = await asyncio.gather(*(passage(bench, f"w-{n}") for n in range(8)))
    assert [p.probe for p in passages].count(True) == 1
    assert [p.allowed for p in passages].count(True) == 1


async def test_a_probe_whose_worker_died_is_given_again(bench: Bench) -> None:
    """The probe is leased: once the lease has run out, another worker may probe."""
    await outcomes(bench, "FFFFF")
    await let_time_pass(bench)
    await live(bench, "hangs", "lives")
    assert (await passage(bench, "hangs")).probe
    assert not (await passage(bench, "lives")).allowed
    await bench.admin.execute("update credential_state set probe_until = clock_timestamp()")
    assert (await passage(bench, "lives")).probe


async def test_a_dead_workers_probe_is_given_again_at_once(bench: Bench) -> None:
    """Nobody waits out the lease of a worker whose heart has stopped."""
    await outcomes(bench, "FFFFF")
    await let_time_pass(bench)
    await live(bench, "dies", "lives")
    assert (await passage(bench, "dies")).probe
    await bench.admin.execute(
        "update heartbeat set beat_at = beat_at - interval '1 min' where process = 'dies'"
    )
    assert (await passage(bench, "lives")).probe


async def test_a_probe_is_one_delivery_and_a_good_one_frees_the_rest(bench: Bench) -> None:
    """Half-open, one delivery leaves; when it is taken all the others follow."""
    await outcomes(bench, "FFFFF")
    for _ in range(6):
        await bench.deliver()
    await bench.turn()
    assert bench.server.sends() == []
    await let_time_pass(bench)
    gate = asyncio.Event()
    bench.server.script.append(Reply(gate=gate))
    turn = asyncio.create_task(bench.turn())
    await bench.server.arrived.wait()
    await bench.turn(bench.worker("worker:other"))
    assert len(bench.server.sends()) == 1
    gate.set()
    await turn
    assert (await bench.breaker())["breaker"] == "closed"
    await bench.turn()
    assert len(bench.server.accepted) == 6


async def test_a_probe_that_never_left_keeps_nobody_waiting(bench: Bench) -> None:
    """What our own guard refuses says nothing of the provider: the next one probes at once, not
    when the lease has run out."""
    await outcomes(bench, "FFFFF")
    refused = await bench.deliver(b"invalid")
    await bench.turn()
    later = await bench.deliver()
    await let_time_pass(bench)
    await bench.turn()
    assert await bench.status(refused) == "refused"
    assert (await bench.breaker())["breaker"] == "half_open"
    await bench.turn()
    assert await bench.status(later) == "accepted"
    assert (await bench.breaker())["breaker"] == "closed"


async def test_each_failed_probe_doubles_the_wait(bench: Bench) -> None:
    """30 s, 60 s, … up to a quarter of an hour; a good probe begins anew."""
    await outcomes(bench, "FFFFF")
    waits = [(await bench.breaker())["open_for_s"]]
    for _ in range(6):
        await let_time_pass(bench)
        assert (await passage(bench)).probe
        await outcomes(bench, "F")
        waits.append((await bench.breaker())["open_for_s"])
    assert waits == [30, 60, 120, 240, 480, 900, 900]
    await let_time_pass(bench)
    await passage(bench)
    assert await outcomes(bench, "S") == ["closed"]
    assert await outcomes(bench, "FFFFF") == [None] * 4 + ["opened"]
    assert (await bench.breaker())["open_for_s"] == 30


async def test_an_answer_proves_the_provider_up(bench: Bench) -> None:
    """A probe that is refused for the recipient's sake closes the breaker, but is no good call."""
    await outcomes(bench, "FFFFF")
    await let_time_pass(bench)
    await passage(bench)
    assert await outcomes(bench, "A") == ["closed"]
    assert (await bench.breaker())["last_good_at"] is None


@pytest.mark.parametrize("forced", ["closed", "open"])
async def test_a_person_overrides_it_for_a_while(bench: Bench, forced: str) -> None:
    """What a person has set holds against the breaker's own mind until it expires."""
    await outcomes(bench, "FFFFF" if forced == "closed" else "S")
    await bench.admin.execute(
        "update credential_state set override_state = $1, override_reason = 'test',"
        " override_until = app.now() + interval '10 min'",
        forced,
    )
    delivery = await bench.deliver()
    await bench.turn()
    assert (await bench.status(delivery) == "accepted") == (forced == "closed")
    await bench.admin.execute("update credential_state set override_until = app.now()")
    # Forced open it was closed before; forced closed, an accepted delivery has closed it.
    assert (await passage(bench)).allowed
