"""What a person does about an incident: the preflight counts, the act does that, once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from mentalspace.engine.breaker import note_outcome
from mentalspace.engine.hours import Hours
from mentalspace.engine.remedy import Done, Name, Preflight, act, preflight, read_standing
from mentalspace.engine.remedy.act import Order
from mentalspace.engine.runbook import Price
from mentalspace.kernel.errors import Refused
from tests.engine.toy import Bench, Reply, ToyServer, toy_server

PRICE = Price(0.01, "USD", "own: test")
HOUR = timedelta(hours=1, minutes=1)


@dataclass(frozen=True, slots=True)
class Desk:
    """An incident of the bench's credential, and the second one that would take over."""

    bench: Bench
    incident_id: UUID
    second: ToyServer
    second_id: UUID

    async def look(self, name: Name) -> Preflight:
        async with self.bench.database.as_oncall() as connection:
            standing = await read_standing(connection, self.incident_id)
        assert standing is not None
        return preflight(name, standing, str.title, PRICE)

    async def act(
        self, name: Name, reason: str = "their page says so", minutes: int | None = 60
    ) -> Done:
        async with self.bench.database.as_oncall() as connection:
            order = Order("noor", reason, minutes)
            return await act(connection, self.incident_id, name, order, str.title)

    async def refusal(self, name: Name, **order: Any) -> str:
        with pytest.raises(Refused) as refused:
            await self.act(name, **order)
        return str(refused.value)

    async def acts(self) -> list[tuple[str, str, str]]:
        rows = await self.bench.admin.fetch(
            "select data, actor from timeline where incident_id = $1 and kind = 'acted'"
            " order by id",
            self.incident_id,
        )
        return [(row["data"]["act"], row["data"]["reason"], row["actor"]) for row in rows]

    async def break_first(self) -> None:
        for _ in range(5):
            async with self.bench.database.as_worker(self.bench.practice_id) as connection:
                await note_outcome(connection, self.bench.credential_id, good=False)

    async def statuses(self, *deliveries: UUID) -> set[str]:
        return {await self.bench.status(each) for each in deliveries}


@pytest.fixture
async def desk(bench: Bench) -> AsyncIterator[Desk]:
    incident_id = await bench.admin.fetchval(
        "insert into incident (key, rule_id, integration, credential_id, practice_id, severity,"
        " title, fault, since, ack_due_at) values ('k', 'toy.x', 'toy', $1, $2, 'high', 'x',"
        " 'theirs', app.now(), app.now()) returning id",
        bench.credential_id,
        bench.practice_id,
    )
    async with toy_server() as second:
        second_id = await bench.save_credential(
            bench.practice_id, "second", "k-2", base_url=second.base_url, rank=2
        )
        yield Desk(bench, incident_id, second, second_id)


async def test_a_paused_lane_keeps_what_it_has_until_its_hour(desk: Desk) -> None:
    """The preflight counts it, nothing leaves meanwhile and nothing goes over, and it ends by
    itself."""
    waiting = [await desk.bench.deliver(to=f"p{n}@clients.example") for n in range(3)]
    looked = await desk.look("pause")
    assert looked.numbers["waiting"] == looked.numbers["people"] == 3
    assert "3 messages to 3 people would wait" in looked.would[0]
    assert (await desk.act("pause")).count == 2
    await desk.bench.advance(timedelta(minutes=30))
    await desk.bench.turn()
    assert await desk.statuses(*waiting) == {"pending"}
    assert "paused already, by noor until" in await desk.refusal("pause")
    await desk.bench.advance(HOUR)
    await desk.bench.turn()
    await desk.bench.turn()
    assert await desk.statuses(*waiting) == {"accepted"}
    assert desk.second.accepted == {}
    assert await desk.acts() == [("pause", "their page says so", "noor")]


async def test_what_is_paused_is_resumed_by_hand(desk: Desk) -> None:
    """The lanes run again at once, and there is nothing to resume a second time."""
    waiting = await desk.bench.deliver()
    assert await desk.refusal("resume") == "No lane is paused."
    await desk.act("pause")
    assert (await desk.act("resume", reason="")).count == 2
    await desk.bench.turn()
    assert await desk.bench.status(waiting) == "accepted"
    assert await desk.refusal("resume") == "No lane is paused."


async def test_what_is_due_is_held_and_goes_again_once(desk: Desk) -> None:
    """Held: what is due, not what comes later or came too late. Sent again: the same, with its
    price; each arrives once."""
    now = [await desk.bench.deliver(key=f"toy/{n}") for n in range(2)]
    later = await desk.bench.deliver(key="toy/later")
    await desk.bench.admin.execute(
        "update delivery set due_at = app.now() + interval '2 h', next_attempt_at = app.now()"
        " + interval '2 h' where id = $1",
        later,
    )
    assert (await desk.look("hold")).numbers["waiting"] == 2
    assert (await desk.act("hold")).count == 2
    assert await desk.statuses(*now) == {"held"}
    assert await desk.bench.status(later) == "pending"
    assert await desk.refusal("hold") == "Nothing is due that could be held."
    looked = await desk.look("replay")
    assert looked.would[0].startswith("2 messages would go again")
    assert "They cost about 0.02 USD, if all are taken." in looked.would
    assert "A person holds 2 of them since 20" in looked.would[0]
    assert "(noor holds it: their page says so): ask noor first." in looked.would[0]
    assert not looked.safe
    done = await desk.act("replay")
    assert (done.count, len(done.replay or "")) == (2, 12)
    await desk.bench.turn()
    assert sorted(desk.bench.server.accepted) == ["toy/0", "toy/1"]
    assert await desk.refusal("replay") == "Nothing is held that is still of use."


async def test_a_replay_tells_what_it_leaves(desk: Desk) -> None:
    """What is too late and what may be out already is counted and stays."""
    late, perhaps = await desk.bench.deliver(), await desk.bench.deliver()
    desk.bench.server.script.extend([Reply(lost=True)] * 2)
    await desk.bench.turn()
    await desk.bench.admin.execute(
        "update delivery set status = 'held', expires_at = case when id = $1 then app.now() end"
        " where id = any ($2)",
        late,
        [late, perhaps],
    )
    looked = await desk.look("replay")
    assert looked.numbers["held_useless"] == looked.numbers["held_perhaps_sent"] == 1
    assert "may be out already" in (looked.refusal or "")
    assert "may be out already" in await desk.refusal("replay")
    assert await desk.acts() == []


async def test_a_switch_moves_what_waits_and_what_comes(desk: Desk) -> None:
    """At once, without waiting for a breaker; back to automatic, the first one sends again."""
    waiting = [await desk.bench.deliver(key=f"toy/{n}") for n in range(3)]
    looked = await desk.look("switch")
    assert (looked.title, looked.numbers["movable"]) == ("Switch to Acme", 3)
    assert (await desk.act("switch")).count == 3
    await desk.bench.turn()
    comes = await desk.bench.deliver(key="toy/comes")
    await desk.bench.turn()
    assert await desk.statuses(*waiting, comes) == {"accepted"}
    assert sorted(desk.second.accepted) == ["toy/0", "toy/1", "toy/2", "toy/comes"]
    refusal = await desk.refusal("switch")
    assert "switched already, by noor until" in refusal
    assert "4 messages have gone to Acme since" in refusal
    await desk.act("automatic", reason="")
    await desk.bench.deliver(key="toy/back")
    await desk.bench.turn()
    assert list(desk.bench.server.accepted) == ["toy/back"]
    told = await desk.bench.admin.fetchval("select data from timeline where kind = 'moved' limit 1")
    assert told["because"] == "switched"


async def test_nobody_switches_to_what_does_not_work(desk: Desk) -> None:
    """A fallback whose breaker is open, that may not carry names, or that is not there."""
    await desk.bench.deliver()
    await desk.bench.admin.execute(
        "update credential set demands_agreement = true where id = $1", desk.second_id
    )
    assert "No agreement with Acme holds" in await desk.refusal("switch")
    await desk.bench.admin.execute(
        "update credential_state set breaker = 'open', open_until = clock_timestamp()"
        " + interval '1 h' where credential_id = $1",
        desk.second_id,
    )
    assert "does not work either" in await desk.refusal("switch")
    await desk.bench.admin.execute(
        "update credential set active = false where id = $1", desk.second_id
    )
    assert "no second provider" in await desk.refusal("switch")


async def test_a_breaker_is_set_by_hand_until_its_hour(desk: Desk) -> None:
    """Stopped, nothing is tried; closed by hand, an open breaker lets through what waits."""
    await desk.act("stop_trying")
    waiting = await desk.bench.deliver()
    await desk.bench.turn()
    assert await desk.bench.status(waiting) != "accepted"
    assert "stopped already, by noor until" in await desk.refusal("stop_trying")
    await desk.bench.advance(HOUR)
    await desk.bench.turn()
    assert await desk.bench.status(waiting) == "accepted"
    await desk.break_first()
    stuck = await desk.bench.deliver()
    await desk.bench.turn()
    assert await desk.bench.status(stuck) != "accepted"
    assert (await desk.look("try_anyway")).numbers["waiting"] == 1
    await desk.act("try_anyway")
    await desk.bench.turn()
    assert await desk.bench.status(stuck) == "accepted"
    assert [name for name, *_ in await desk.acts()] == ["stop_trying", "try_anyway"]


@pytest.mark.parametrize(
    ("order", "word"),
    [
        ({"reason": "  "}, "say why"),
        ({"reason": "x" * 201}, "200 letters"),
        ({"minutes": None}, "say when it ends"),
        ({"minutes": 1441}, "1 to 1440 minutes"),
    ],
)
async def test_an_order_says_why_and_until_when(
    desk: Desk, order: dict[str, Any], word: str
) -> None:
    """Without a reason or an end nothing changes, and the refusal says what is missing."""
    assert word in await desk.refusal("stop_trying", **order)
    assert await desk.acts() == []
    assert (await desk.look("stop_trying")).refusal is None


async def test_nothing_is_done_about_what_is_closed(desk: Desk) -> None:
    """An incident that a person resolved offers no button."""
    await desk.bench.admin.execute("update incident set status = 'resolved'")
    assert await desk.refusal("pause") == "The incident is closed."


async def test_a_switch_that_happened_by_itself_is_not_offered_again(desk: Desk) -> None:
    """What has gone over, where to and since when stands instead of the button, until the first
    answers again; then it may be switched by hand."""
    await desk.break_first()
    await desk.bench.deliver()
    await desk.bench.deliver()
    await desk.bench.advance(timedelta(seconds=61))
    await desk.bench.turn()
    looked = await desk.look("switch")
    assert looked.already
    assert (looked.refusal or "").startswith("Already going by Acme.")
    assert "Switched by itself: 2 messages have gone to Acme since" in (looked.refusal or "")
    assert "gets what is new once one try of it goes well" in (looked.refusal or "")
    assert "Switched by itself" in await desk.refusal("switch")
    assert any("they stay there" in line for line in (await desk.look("try_anyway")).would)
    out = "update credential_state set breaker = 'open' where credential_id = $1"
    await desk.bench.admin.execute(out, desk.second_id)
    assert "Acme, which is out as well: 2 messages" in await desk.refusal("switch")
    await desk.bench.admin.execute("update credential_state set breaker = 'closed'")
    again = await desk.look("switch")
    assert (again.refusal, again.already) == (None, False)


async def test_no_button_sends_at_night(desk: Desk) -> None:
    """What waits for its morning is counted apart, in the words of each button that lets go."""
    now = await desk.bench.admin.fetchval("select app.now()")
    minute = (now.hour * 60 + now.minute + 240) % 1380
    night = Hours(("UTC",), ((minute, minute + 60),) * 7)
    await desk.bench.deliver(to="awake@clients.example")
    await desk.bench.deliver(to="asleep@clients.example", hours=night)
    await desk.act("pause")
    await desk.break_first()
    names: tuple[Name, ...] = ("resume", "try_anyway")
    for name in names:
        looked = await desk.look(name)
        assert (looked.numbers["waiting"], looked.numbers["resting"]) == (1, 1)
        assert "1 message to 1 person" in looked.would[0]
        assert any("1 message waits for the morning" in line for line in looked.would)
    assert (await desk.look("hold")).would[0].startswith("2 messages would be held, 1 of which")
