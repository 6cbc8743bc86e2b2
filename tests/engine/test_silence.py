"""What was accepted and never heard of again is asked after, a few times, and then shown."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from mentalspace.engine.adapters import Adapters
from mentalspace.engine.silence import MOST_QUESTIONS, SilenceKeeper
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
