"""Failover: what surely has not left goes to the next provider, everything else stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from mentalspace.engine.breaker import note_outcome
from mentalspace.engine.failover import fail_over
from tests.engine.toy import BATCHING, Bench, Reply, ToyServer, make_practice, toy_server

MINUTE = timedelta(seconds=61)


@dataclass(frozen=True, slots=True)
class Pair:
    """The practice's credential at the bench's server, and its second one at another."""

    bench: Bench
    second: ToyServer
    credential_id: UUID

    async def break_first(self) -> None:
        """Five failures in a row open its breaker."""
        for _ in range(5):
            async with self.bench.database.as_worker(self.bench.practice_id) as connection:
                await note_outcome(connection, self.bench.credential_id, good=False)

    async def change(self, credential_id: UUID, **columns: Any) -> None:
        for name, value in columns.items():
            await self.bench.admin.execute(
                f"update credential set {name} = $2 where id = $1", credential_id, value
            )

    async def may_probe(self) -> None:
        await self.bench.admin.execute(
            "update credential_state set open_until = clock_timestamp() - interval '1 ms'"
            " where credential_id = $1",
            self.bench.credential_id,
        )

    async def where(self, delivery_id: UUID) -> str:
        """Which of the two a delivery waits for, or went to."""
        row = await self.bench.row(delivery_id)
        lane = await self.bench.admin.fetchval(
            "select credential_id from lane where id = $1", row["lane_id"]
        )
        assert lane == row["credential_id"]
        return "second" if lane == self.credential_id else "first"


@pytest.fixture
async def pair(bench: Bench) -> AsyncIterator[Pair]:
    async with toy_server() as second:
        credential_id = await bench.save_credential(
            bench.practice_id, "second", "k-2", base_url=second.base_url, rank=2
        )
        yield Pair(bench, second, credential_id)


async def test_what_waits_goes_to_the_next(pair: Pair) -> None:
    """After a minute of an open breaker it leaves through the second, once, under its own key."""
    bench = pair.bench
    await pair.break_first()
    waiting = [await bench.deliver(key=f"toy/{n}") for n in range(3)]
    bulk = await bench.deliver(key="toy/bulk", lane_class="bulk")
    await bench.turn()
    assert {await pair.where(each) for each in waiting} == {"first"}
    await bench.advance(MINUTE)
    await bench.turn()
    assert [await bench.status(each) for each in (*waiting, bulk)] == ["accepted"] * 4
    assert sorted(pair.second.accepted) == ["toy/0", "toy/1", "toy/2", "toy/bulk"]
    assert bench.server.sends() == []
    assert await bench.kinds(bulk) == ["delivery_created", "moved", "attempt_opened", "accepted"]
    data = await bench.admin.fetchval(
        "select data from timeline where delivery_id = $1 and kind = 'moved'", bulk
    )
    from_lane = await bench.admin.fetchval(
        "select id::text from lane where credential_id = $1 and class = 'bulk'",
        bench.credential_id,
    )
    assert data.pop("from_lane") == from_lane
    assert data == {"from": "acme", "to": "acme", "because": "breaker", "case": None}


async def test_an_attempt_that_surely_failed_does_not_hold_it_back(pair: Pair) -> None:
    """What the provider refused for a while goes on at the next one, without its back-off."""
    bench = pair.bench
    bench.server.usual = Reply(503)
    waiting = [await bench.deliver() for _ in range(6)]
    await bench.turn()
    assert (await bench.breaker())["breaker"] == "open"
    await bench.advance(MINUTE)
    await bench.turn()
    assert {await bench.status(each) for each in waiting} == {"accepted"}
    assert len(pair.second.accepted) == 6
    assert bench.server.accepted == {}


async def test_what_was_perhaps_sent_stays(pair: Pair) -> None:
    """Unknown, in hand, or let go again by a person after it was unknown: only the first knows."""
    bench = pair.bench
    bench.server.usual = Reply(lost=True)
    unknown, released = await bench.deliver(), await bench.deliver()
    await bench.turn()
    assert await bench.status(unknown) == await bench.status(released) == "unknown"
    await bench.admin.execute("update delivery set status = 'held' where id = $1", released)
    await bench.admin.execute("update delivery set status = 'pending' where id = $1", released)
    await pair.break_first()
    await bench.advance(MINUTE)
    await bench.turn()
    assert await pair.where(unknown) == await pair.where(released) == "first"
    assert pair.second.sends() == []
    bench.server.usual = Reply()
    await pair.may_probe()
    await bench.turns(2)
    assert await bench.status(unknown) == await bench.status(released) == "accepted"
    assert pair.second.sends() == []
    assert len(bench.server.accepted) == 2


async def test_a_batch_without_an_answer_stays_whole(pair: Pair) -> None:
    """Its members wait for the first provider's word, even those a person let go again."""
    bench = pair.bench
    bench.provider = BATCHING
    bench.server.usual = Reply(lost=True)
    members = [await bench.deliver(payload) for payload in (b"a", b"b", b"c")]
    await bench.turn()
    await bench.admin.execute("update delivery set status = 'held' where id = $1", members[0])
    await bench.admin.execute("update delivery set status = 'pending' where id = $1", members[0])
    await bench.admin.execute("update attempt set state = 'failed'")  # the batch's id alone speaks
    await pair.break_first()
    await bench.advance(MINUTE)
    await bench.dispatch()
    assert {await pair.where(each) for each in members} == {"first"}


async def test_what_is_not_due_stays(pair: Pair) -> None:
    """A reminder of next week waits where it is: by then the first may be well."""
    bench = pair.bench
    later = await bench.deliver()
    await bench.admin.execute(
        "update delivery set due_at = app.now() + interval '7 d',"
        " next_attempt_at = app.now() + interval '7 d' where id = $1",
        later,
    )
    await pair.break_first()
    await bench.advance(MINUTE)
    await bench.turn()
    assert (await bench.status(later), await pair.where(later)) == ("pending", "first")


async def test_the_first_is_probed_and_takes_over_again(pair: Pair) -> None:
    """One delivery stays to try it, bulk before interactive; once it works, what is new stays."""
    bench = pair.bench
    bench.server.usual = Reply(503)
    await pair.break_first()
    await bench.advance(MINUTE)
    await pair.may_probe()
    urgent, bulk = await bench.deliver(), await bench.deliver(lane_class="bulk")
    await bench.turn()
    assert (await pair.where(urgent), await pair.where(bulk)) == ("second", "first")
    assert len(bench.server.sends()) == 1
    await bench.turn()
    assert await pair.where(bulk) == "second", "the probe failed, so it goes the other way"
    bench.server.usual = Reply()
    await pair.may_probe()
    probe = await bench.deliver()
    await bench.turn()
    assert (await pair.where(probe), await bench.status(probe)) == ("first", "accepted")
    assert (await bench.breaker())["breaker"] == "closed"
    after = await bench.deliver()
    await bench.turn()
    assert await pair.where(after) == "first"
    assert len(pair.second.accepted) == 2


async def test_who_stands_by_is_probed_when_needed(pair: Pair) -> None:
    """The second's breaker opened once and it has had nothing since: when the first is out too, one
    delivery tries the second, and the rest follow."""
    bench = pair.bench
    await bench.admin.execute(
        "update credential_state set breaker = 'open', opened_at = app.now(), recent = 'FFFFF',"
        " open_for_s = 30, open_until = clock_timestamp() + interval '30 s'"
        " where credential_id = $1",
        pair.credential_id,
    )
    await pair.break_first()
    waiting = [await bench.deliver() for _ in range(4)]
    bulk = await bench.deliver(lane_class="bulk")
    await bench.advance(MINUTE)
    await bench.dispatch()
    assert {await pair.where(each) for each in (*waiting, bulk)} == {"first"}
    await bench.admin.execute(
        "update credential_state set open_until = clock_timestamp() where credential_id = $1",
        pair.credential_id,
    )
    await bench.dispatch()
    await bench.dispatch()
    assert await pair.where(bulk) == "second"
    assert {await pair.where(each) for each in waiting} == {"first"}
    await bench.turn()
    await bench.turn()
    assert [await bench.status(each) for each in (*waiting, bulk)] == ["accepted"] * 5
    assert len(pair.second.accepted) == 5


async def test_a_lane_the_runbook_paused_gives_what_waits(pair: Pair) -> None:
    """A refused key pauses the first; a minute later its mails go by the second."""
    bench = pair.bench
    bench.server.usual = Reply(401)
    waiting = await bench.deliver()
    await bench.turn()
    assert "paused" in await bench.lane_states()
    await bench.advance(MINUTE)
    await bench.turn()
    assert (await pair.where(waiting), await bench.status(waiting)) == ("second", "accepted")
    [data] = await bench.admin.fetch("select data from timeline where kind = 'moved'")
    assert (data["data"]["because"], data["data"]["case"]) == ("paused", "toy.bad_key")


async def test_what_a_person_stopped_stays_stopped(pair: Pair) -> None:
    """A lane paused by hand, or a breaker set by hand, is somebody's decision and moves nothing."""
    bench = pair.bench
    waiting = await bench.deliver()
    await bench.admin.execute(
        "update lane set state = 'paused', paused_at = app.now(), paused_by = 'oncall'"
        " where credential_id = $1",
        bench.credential_id,
    )
    await bench.advance(MINUTE)
    await bench.turn()
    assert await pair.where(waiting) == "first"
    await bench.admin.execute("update lane set state = 'open', paused_at = null, paused_by = null")
    await pair.break_first()
    await bench.admin.execute(
        "update credential_state set override_state = 'open', override_reason = 'a test',"
        " override_until = app.now() + interval '1 h'"
    )
    await bench.advance(MINUTE)
    await bench.turn()
    assert await pair.where(waiting) == "first"


@pytest.mark.parametrize(
    "why", ["for tests", "a drill's", "not in use", "out itself", "a stranger"]
)
async def test_nowhere_else_to_go(pair: Pair, why: str) -> None:
    """What would not carry it, or is not the practice's own, takes nothing over."""
    bench, second = pair.bench, pair.credential_id
    match why:
        case "for tests":
            await pair.change(second, test_only=True)
        case "a drill's":
            await pair.change(second, drill="d-1")
        case "not in use":
            await pair.change(second, active=False)
        case "out itself":
            await bench.admin.execute("update credential_state set breaker = 'open'")
        case _:
            stranger = await make_practice(bench.admin, "stranger")
            await pair.change(second, practice_id=stranger)
    await pair.break_first()
    waiting = await bench.deliver()
    await bench.advance(MINUTE)
    await bench.dispatch()
    assert await pair.where(waiting) == "first"


async def test_an_agreement_is_asked_for_there_too(pair: Pair) -> None:
    """What names a client goes only where an agreement holds; the rest need not wait for one."""
    bench = pair.bench
    await pair.change(pair.credential_id, demands_agreement=True)
    await pair.break_first()
    private, plain = await bench.deliver(), await bench.deliver()
    await bench.admin.execute("update delivery set carries_phi = false where id = $1", plain)
    await bench.advance(MINUTE)
    await bench.turn()
    assert (await pair.where(private), await pair.where(plain)) == ("first", "second")
    await bench.admin.execute(
        "insert into vendor_agreement (practice_id, vendor, signed_on, recorded_by)"
        " values ($1, 'acme', '2020-01-01', 'a test')",
        bench.practice_id,
    )
    await bench.turn()
    assert (await pair.where(private), await bench.status(private)) == ("second", "accepted")


async def test_many_dispatchers_move_each_once(pair: Pair) -> None:
    """However many look at the same moment, a delivery has one line and leaves once."""
    bench = pair.bench
    await pair.break_first()
    waiting = [await bench.deliver() for _ in range(40)]
    await bench.advance(MINUTE)

    async def look() -> int:
        async with bench.database.as_dispatcher() as connection:
            return await fail_over(connection)

    assert sum(await asyncio.gather(*(look() for _ in range(4)))) == 40
    await bench.turns(4, timedelta(seconds=1))
    for each in waiting:
        assert (await bench.kinds(each)).count("moved") == 1
    assert len(pair.second.sends()) == len(pair.second.accepted) == 40


async def test_the_rank_decides(pair: Pair) -> None:
    """What is new goes to the first in rank, however old the credentials are."""
    bench = pair.bench
    await pair.change(bench.credential_id, rank=3)
    delivery = await bench.deliver()
    assert await pair.where(delivery) == "second"
