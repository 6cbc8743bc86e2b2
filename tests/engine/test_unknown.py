"""What is unknown for long is shown to a person, whoever is down, and never goes twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from mentalspace.engine.unknown import LongUnknown, read_long_unknown
from tests.engine.toy import BATCHING, Bench, Reply
from tests.house import until

SHOWN = timedelta(minutes=10)
MOMENT = timedelta(minutes=1)


async def seen(bench: Bench) -> Sequence[LongUnknown]:
    async with bench.database.as_oncall() as connection:
        return await read_long_unknown(connection)


async def unknown(bench: Bench) -> UUID:
    """A delivery that was taken and whose answer was lost."""
    bench.server.script.append(Reply(lost=True))
    delivery = await bench.deliver()
    await bench.turn()
    assert await bench.status(delivery) == "unknown"
    return delivery


async def test_behind_an_open_breaker_it_is_shown_and_settles_later(bench: Bench) -> None:
    """Nobody is asked while the breaker is open. A person sees it after ten minutes, once; when the
    breaker closes it is found, not sent again, and no longer shown."""
    delivery = await unknown(bench)
    await bench.admin.execute(
        "update credential_state set breaker = 'open',"
        " open_until = clock_timestamp() + interval '1 h'"
    )
    await bench.advance(SHOWN - MOMENT)
    await bench.dispatch()
    assert await seen(bench) == []
    assert "unknown_shown" not in await bench.kinds(delivery)
    await bench.advance(MOMENT)
    for _ in range(2):
        await bench.turn()
    [shown] = await seen(bench)
    assert (shown.provider, shown.number, shown.breaker_open, shown.paused) == (
        "acme", 1, True, False)  # fmt: skip
    assert (await bench.kinds(delivery)).count("unknown_shown") == 1
    assert await bench.status(delivery) == "unknown"
    await bench.admin.execute("update credential_state set open_until = clock_timestamp()")
    await bench.turns(1)
    assert await bench.status(delivery) == "accepted"
    assert len(bench.server.sends()) == 1
    assert await seen(bench) == []
    assert (await bench.row(delivery))["unknown_at"] is None


async def test_questions_without_an_answer_do_not_begin_the_time_anew(bench: Bench) -> None:
    """Asked again and again, and while it is being asked, it counts from its first lost answer."""
    delivery = await unknown(bench)
    since = (await bench.row(delivery))["unknown_at"]
    bench.server.finds = False
    for _ in range(3):
        await bench.advance(SHOWN / 2)
        await bench.turn()
        row = await bench.row(delivery)
        assert (row["status"], row["unknown_at"]) == ("unknown", since)
    assert row["attempts"] > 1
    await bench.admin.execute("update delivery set status = 'sending' where id = $1", delivery)
    assert [one.oldest_at for one in await seen(bench)] == [since]


async def test_what_a_dead_worker_left_is_shown(bench: Bench) -> None:
    """Its request was under way when its worker died: from there it counts."""
    await bench.past_the_restart()
    gate = asyncio.Event()
    bench.server.script.append(Reply(gate=gate))
    delivery = await bench.deliver()
    await bench.dispatch()
    lane_id = (await bench.row(delivery))["lane_id"]
    worker = bench.worker("worker:dead")
    working = asyncio.create_task(worker.work(f"{bench.practice_id}/{lane_id}"))
    await until(lambda: _asked(bench))
    working.cancel()
    await asyncio.wait([working])
    await bench.dispatch()
    assert await bench.status(delivery) == "unknown"
    await bench.advance(SHOWN)
    await bench.dispatch()
    assert "unknown_shown" in await bench.kinds(delivery)
    assert [one.number for one in await seen(bench)] == [1]
    gate.set()


async def test_a_batch_is_shown_and_still_repeated_whole(bench: Bench) -> None:
    """Shown is not held: the same request goes under the same key, and settles each member."""
    bench.provider = BATCHING
    bench.server.script.append(Reply(lost=True))
    ids = [await bench.deliver(payload) for payload in (b"a", b"b", b"c")]
    await bench.turn()
    await bench.admin.execute("update lane set state = 'paused'")
    await bench.advance(SHOWN)
    await bench.dispatch()
    [shown] = await seen(bench)
    assert (shown.number, shown.paused) == (3, True)
    await bench.admin.execute("update lane set state = 'open'")
    await bench.turns(1)
    assert {await bench.status(delivery) for delivery in ids} == {"accepted"}
    first, again = bench.server.sends()
    assert (first.key, first.payloads) == (again.key, again.payloads)
    assert len(bench.server.taken) == 3
    assert await seen(bench) == []


async def test_a_drills_are_not_among_them(bench: Bench) -> None:
    """What a drill leaves unknown is nobody's to look at."""
    bench.server.script.append(Reply(lost=True))
    await bench.deliver(drill="run-1")
    await bench.turn()
    await bench.advance(SHOWN)
    assert await seen(bench) == []


async def _asked(bench: Bench) -> bool:
    return bool(bench.server.requests)
