"""What was accepted and never heard of again is asked after, a few times, and then shown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from mentalspace.engine.adapters import Adapters
from mentalspace.engine.replay import count_for_a_person
from mentalspace.engine.silence import MOST_QUESTIONS, SilenceKeeper
from mentalspace.engine.unheard import (
    STAYS_DAYS,
    Unheard,
    ask_once_more,
    put_away,
    read_unheard,
)
from tests.engine.toy import SITE, Bench

SOON = timedelta(minutes=16)
LATER = timedelta(days=1)


def keeper(bench: Bench) -> SilenceKeeper:
    adapters = Adapters(bench.database, bench.vault, {"toy": bench.room}, bench.clients, SITE)
    return SilenceKeeper(bench.database, adapters, bench.reactor)


async def accepted(bench: Bench) -> tuple[UUID, str]:
    delivery = await bench.deliver()
    await bench.turn()
    return delivery, str((await bench.row(delivery))["provider_message_id"])


async def test_a_lost_webhook_is_made_up_for(bench: Bench) -> None:
    """A quarter of an hour after an acceptance nobody confirmed, the provider is asked and its
    word applied."""
    delivery, message = await accepted(bench)
    bench.server.statuses[message] = "delivered"
    await keeper(bench).tick()
    assert bench.server.asked == []
    await bench.advance(SOON)
    await keeper(bench).tick()
    assert await bench.status(delivery) == "delivered"
    heard = await bench.admin.fetchval(
        "select data ->> 'heard' from timeline where kind = 'provider_event'"
    )
    assert heard == "asked"


async def test_what_was_heard_of_is_not_asked_after(bench: Bench) -> None:
    """A delivery whose webhook came is left alone."""
    delivery, _message = await accepted(bench)
    await bench.admin.execute("update delivery set status = 'delivered' where id = $1", delivery)
    await bench.advance(LATER)
    await keeper(bench).tick()
    assert bench.server.asked == []


async def test_what_is_never_told_is_no_silence(bench: Bench) -> None:
    """A provider that says no more than that it took it is not asked, and nothing is called
    silent."""
    bench.provider = replace(bench.provider, follows=False)
    await bench.save_credential(bench.practice_id, "default", "k-1")
    delivery, _message = await accepted(bench)
    for _ in range(MOST_QUESTIONS + 1):
        await bench.advance(LATER)
        await keeper(bench).tick()
    assert bench.server.asked == []
    assert "silent" not in await bench.kinds(delivery)
    assert (await bench.row(delivery))["ask_at"] is None


async def test_silence_is_written_down_in_the_end(bench: Bench) -> None:
    """Asked ever later and told nothing, a delivery is called silent once and asked no more."""
    delivery, _message = await accepted(bench)
    for _ in range(MOST_QUESTIONS + 3):
        await bench.advance(LATER)
        await keeper(bench).tick()
        await keeper(bench).tick()
    assert len(bench.server.asked) == MOST_QUESTIONS
    assert (await bench.kinds(delivery)).count("silent") == 1
    assert await bench.status(delivery) == "accepted"


async def test_what_is_silent_is_before_a_person_for_a_week(bench: Bench) -> None:
    """Listed once it is called silent; a person may have it asked once more, which brings it back
    or ends it, or put it away. A drill's is not among it, and an old one neither."""
    delivery, message = await silenced(bench)
    await silenced(bench, drill="run-1")
    [one] = await listed(bench)
    assert (one.integration, one.provider, one.number, one.people) == ("toy", "acme", 1, 1)
    async with bench.database.as_oncall() as connection:
        assert await count_for_a_person(connection) == 1
        assert await ask_once_more(connection, "Casey", "toy", "acme") == 1
    assert await listed(bench) == []
    await keeper(bench).tick()
    assert [one.number for one in await listed(bench)] == [1]
    async with bench.database.as_oncall() as connection:
        assert await put_away(connection, "Casey", "toy", "elsewhere") == 0
        assert await put_away(connection, "Casey", "toy", "acme") == 1
        assert await count_for_a_person(connection) == 0
    assert (await bench.kinds(delivery))[-3:] == ["asked_once_more", "silent", "put_away"]
    other, message = await silenced(bench)
    async with bench.database.as_oncall() as connection:
        await ask_once_more(connection, "Casey", "toy", "acme")
    bench.server.statuses[message] = "delivered"
    await keeper(bench).tick()
    assert await bench.status(other) == "delivered"
    await silenced(bench)
    assert len(await listed(bench)) == 1
    await bench.advance(timedelta(days=STAYS_DAYS))
    assert await listed(bench) == []


async def silenced(bench: Bench, drill: str | None = None) -> tuple[UUID, str]:
    """A delivery that was asked after in vain."""
    delivery = await bench.deliver(drill=drill)
    await bench.turn()
    for _ in range(MOST_QUESTIONS):
        await bench.advance(timedelta(hours=5))
        await keeper(bench).tick()
    assert (await bench.kinds(delivery)).count("silent") == 1
    return delivery, str((await bench.row(delivery))["provider_message_id"])


async def listed(bench: Bench) -> Sequence[Unheard]:
    async with bench.database.as_oncall() as connection:
        return await read_unheard(connection)


async def test_a_provider_that_is_down_is_asked_again(bench: Bench) -> None:
    """A question without an answer changes nothing, and the next one is answered."""
    delivery, message = await accepted(bench)
    bench.server.answers_questions = False
    await bench.advance(SOON)
    await keeper(bench).tick()
    assert await bench.status(delivery) == "accepted"
    bench.server.answers_questions = True
    bench.server.statuses[message] = "bounced"
    await bench.advance(LATER)
    await keeper(bench).tick()
    assert await bench.status(delivery) == "bounced"


async def test_two_workers_ask_once(bench: Bench) -> None:
    """Two workers at once ask after each delivery once."""
    messages = sorted([(await accepted(bench))[1] for _ in range(5)])
    await bench.advance(SOON)
    await asyncio.gather(keeper(bench).tick(), keeper(bench).tick())
    assert sorted(bench.server.asked) == messages
