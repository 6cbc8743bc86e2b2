"""Who watches: silent and hanging loops, restarts, locks, connections, the outside heartbeat."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from mentalspace.engine.alarm import Alarm, read_alarm
from mentalspace.engine.channel_state import HEARTBEAT_LABEL, Outside, read_outside
from mentalspace.engine.ends import End, note
from mentalspace.engine.loops import Loops
from mentalspace.engine.outbound import open_client
from mentalspace.engine.process import beat, repeat
from mentalspace.engine.pulse import Stalled, beating, lock_waits, stalled_loops
from mentalspace.engine.slots import Slots
from mentalspace.engine.standstill import where
from mentalspace.engine.watchman import DeadMan, Watchman, began_of, stands_still
from tests.engine.desk import Desk
from tests.engine.test_alarm import rules, ways_tested


def watching(desk: Desk) -> Watchman:
    """Who has watched for a while, and finds silent what has not beaten for half a minute."""
    escalation = desk.pager.runbooks.escalation
    watchman = Watchman(desk.bench.database, escalation, desk.pager.tick, patience_s=30.0)
    watchman._began_at -= 300.0
    return watchman


async def pulses(desk: Desk, *names: str) -> None:
    async def work() -> None: ...

    for name in names:
        await beating(desk.bench.database, name, work)()


async def test_a_loop_that_fails_does_not_beat(desk: Desk) -> None:
    """The pulse follows the work: a failing evaluator has none."""

    async def fails() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await beating(desk.bench.database, "evaluate", fails)()
    assert await desk.bench.admin.fetchval("select count(*) from pulse") == 0
    await pulses(desk, "evaluate")
    assert await desk.bench.admin.fetchval("select count(*) from pulse") == 1


@pytest.mark.parametrize("loop", ["worker", "dispatch", "evaluate", "page"])
async def test_a_silent_loop_is_noticed_and_paged(desk: Desk, loop: str) -> None:
    """At the second look, once; where the pager or the whole worker is silent, the page leaves from
    the process that noticed; beating again it is over."""
    await beat(desk.bench.database, "worker:x", "worker")
    await pulses(desk, "dispatch", "evaluate", "page")
    watchman = watching(desk)
    assert await watchman.tick() == []
    where = "heartbeat" if loop == "worker" else f"pulse where name = '{loop}'"
    table, _, only = where.partition(" ")
    past = f"update {table} set beat_at = beat_at - interval '2 min' {only}"
    await desk.bench.admin.execute(past)
    assert await watchman.tick() == []
    assert await watchman.tick() == [loop]
    assert await rules(desk) == {"house.loop_silent": False}
    incident = await desk.incident()
    assert 119 < (incident["opened_at"] - incident["since"]).total_seconds() < 200
    assert bool(desk.pages) == (loop in ("worker", "page"))
    await desk.bench.admin.execute(past.replace("- interval", "+ interval"))
    assert await watchman.tick() == []
    assert await rules(desk) == {"house.loop_silent": True}


async def test_a_dead_worker_is_one_incident(desk: Desk) -> None:
    """Its loops fall silent with it, and are no news of their own; one that was told stays told."""
    await beat(desk.bench.database, "worker:x", "worker")
    await pulses(desk, "dispatch", "evaluate", "page")
    watchman = watching(desk)
    past = "update {} set beat_at = beat_at - interval '2 min'"
    await desk.bench.admin.execute(past.format("pulse") + " where name = 'dispatch'")
    assert [await watchman.tick(), await watchman.tick()] == [[], ["dispatch"]]
    for table in ("pulse", "heartbeat"):
        await desk.bench.admin.execute(past.format(table))
    assert await watchman.tick() == ["dispatch"]
    assert await watchman.tick() == ["worker", "dispatch"]
    titles = await desk.bench.admin.fetch(
        "select title from incident where recovered_at is null order by title"
    )
    assert [row["title"].partition(":")[0] for row in titles] == [
        "The dispatcher is silent", "The worker is silent",
    ]  # fmt: skip


async def test_the_outside_hears_only_while_all_is_well(desk: Desk) -> None:
    """The call goes out while rules are looked at and the on-call engineer can be paged; a silent
    loop, a broken alarm and a service that refuses are each no call that counts."""
    async with _service() as (calls, url), open_client(live=False) as client:
        dead_man = DeadMan(desk.bench.database, client, url)
        assert not await dead_man.tick()
        await pulses(desk, "evaluate", "page")
        await ways_tested(desk)
        assert await dead_man.tick()
        desk.broken = True
        await ways_tested(desk)
        assert not await dead_man.tick()
        desk.broken = False
        await ways_tested(desk)
        past = "update pulse set beat_at = beat_at - interval '1 min' where name = 'evaluate'"
        await desk.bench.admin.execute(past)
        assert not await dead_man.tick()
        assert calls == ["/ping"]
        assert url not in repr(dead_man)


async def test_what_the_outside_answers_is_kept_and_a_refusal_is_told(desk: Desk) -> None:
    """One lost call is no news; a service that goes on refusing is a way that does not work, which
    every page and the command line say, until it takes a call again. It keeps no page from going,
    and nobody tests it in vain."""
    status, database = [404], desk.bench.database
    alarm = Alarm(database, desk.pager, calls_outside=True)
    async with _service(status) as (_calls, url), open_client(live=False) as client:
        dead_man = DeadMan(database, client, url)
        await pulses(desk, "evaluate", "page")
        await ways_tested(desk)
        assert not await dead_man.tick()
        outside = await _outside(desk)
        assert (outside.error, outside.taken_at) == ("it answered 404", None)
        await alarm.tick()
        assert await rules(desk) == {}
        await desk.bench.advance(timedelta(minutes=4))
        await pulses(desk, "evaluate", "page")
        assert not await dead_man.tick()
        await alarm.tick()
        async with database.as_oncall() as connection:
            state = await read_alarm(connection)
        assert (state.broken, state.nobody) == ((HEARTBEAT_LABEL,), ())
        assert await rules(desk) == {"house.channel_fails": False}
        assert await desk.bench.admin.fetchval("select count(*) from alarm_test") == 1
        await Alarm(database, desk.pager).judge()  # the setting is gone
        assert await rules(desk) == {"house.channel_fails": True}
        await alarm.judge()
        status[0] = 200
        assert await dead_man.tick()
        await alarm.tick()
        outside = await _outside(desk)
        assert (outside.error, outside.is_well) == (None, True)
        assert await rules(desk) == {"house.channel_fails": True}
        await desk.bench.advance(timedelta(minutes=4))
        assert (await _outside(desk)).is_withheld
    text = str(await desk.bench.admin.fetch("select * from page_channel"))
    assert HEARTBEAT_LABEL in text
    assert url not in text


async def _outside(desk: Desk) -> Outside:
    async with desk.bench.database.as_oncall() as connection:
        return await read_outside(connection, is_set=True)


@asynccontextmanager
async def _service(status: Sequence[int] = (200,)) -> AsyncIterator[tuple[list[str], str]]:
    calls: list[str] = []

    async def ping(request: web.Request) -> web.Response:
        calls.append(request.path)
        return web.Response(text="OK", status=status[0])

    application = web.Application()
    application.add_routes([web.get("/ping", ping)])
    runner = web.AppRunner(application, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield calls, f"http://127.0.0.1:{runner.addresses[0][1]}/ping"
    finally:
        await runner.cleanup()


async def test_a_loop_that_hangs_in_a_living_worker_is_an_alarm_of_ours(desk: Desk) -> None:
    """Whichever loop it is, and though another worker's turns; one incident a process, with a page
    of the runbook that says what to type. One that fails each time is told once it has failed
    again: right after a lock is let go, or the database was away, they all have failed."""
    await pulses(desk, "dispatch", "evaluate", "page")
    database, never, stop = desk.bench.database, asyncio.Event(), asyncio.Event()
    loops = Loops()

    async def fails() -> None:
        raise ZeroDivisionError

    async with asyncio.TaskGroup() as group:
        group.create_task(repeat("fold", 0.01, never.wait, stop, loops))
        group.create_task(repeat("probe", 0.01, fails, stop, loops))
        await asyncio.sleep(0.05)
        await beat(database, "worker:a", "worker", loops)
        watchman = watching(desk)
        await watchman.tick()
        assert await rules(desk) == {}
        await asyncio.sleep(0.05)  # since the heart first beat, too
        watchman.hangs_s = 0.02
        await watchman.tick()
        assert await rules(desk) == {"house.loop_silent": False}
        incident = await desk.incident()
        assert "A living worker hangs in fold (" in incident["title"]
        async with database.as_oncall() as connection:
            fold, probe = sorted(await stalled_loops(connection, 0.02), key=lambda one: one.name)
        assert (fold.fails, fold.error, probe.fails, probe.waits) == (False, None, True, None)
        assert probe.error == "ZeroDivisionError: an error in our own code; the log has it"
        never.set()
        await asyncio.sleep(0.05)
        stop.set()
    watchman.hangs_s = 60.0
    await beat(database, "worker:a", "worker", loops)
    await watchman.tick()
    assert await rules(desk) == {"house.loop_silent": True}
    await desk.bench.admin.execute(
        "update heartbeat set started_at = started_at - interval '1 hour',"
        ' loops = \'{"probe": {"every_s": 1, "failures": 3}}\''
    )
    for _look in range(3):
        await watchman.tick()
        assert await rules(desk) == {"house.loop_silent": True}
    await desk.bench.admin.execute(
        'update heartbeat set loops = \'{"probe": {"every_s": 1, "failures": 4}}\''
    )
    await watchman.tick()
    assert await rules(desk) == {"house.loop_silent": False}


def test_a_process_that_stands_still_is_named_by_what_matters() -> None:
    """Whoever is woken reads first that nothing is sent, and not that old log-ins are kept."""
    now = datetime.now(UTC)

    def loop(name: str, failures: int = 0) -> Stalled:
        return Stalled(
            "worker:a", "worker", "vm", 7, name, now, now - timedelta(seconds=len(name)), 300.0,
            1.0, failures, None, None, None, None,
        )  # fmt: skip

    every = [loop("forget_log_ins"), loop("demo_day"), loop("page", 2), loop("dispatch")]
    assert stands_still(every, every[0]) == (
        "A living worker hangs in dispatch, 2 more and fails in page (vm, pid 7)"
    )
    assert stands_still(every[:2], every[0]).startswith(
        "A living worker hangs in forget_log_ins, demo_day ("
    )
    assert began_of(every) == {"worker:a": now - timedelta(seconds=14)}


async def test_who_waits_for_a_lock_sees_who_holds_it_and_no_value(desk: Desk) -> None:
    """For on-call: both processes by name, and their queries without what was asked."""
    database, holder = desk.bench.database, desk.bench.admin
    await holder.execute("set application_name = $$somebody's psql$$")
    loops, stop = Loops(), asyncio.Event()

    try:
        await holder.execute(
            "begin; update alarm_state set checked_at = null where 'Wilhelmina' <> 'x'"
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(repeat("judge", 0.01, Alarm(database, desk.pager).judge, stop, loops))
            for _ in range(100):
                await asyncio.sleep(0.02)
                async with database.as_oncall() as connection:
                    waits = await lock_waits(connection)
                if waits:
                    break
            task = loops.by_name["judge"].task
            assert task is not None
            assert where(task) == "the database, in alarm.judge"
            await holder.execute("rollback")
            stop.set()
    finally:
        await holder.execute("reset application_name")
    [wait] = waits
    assert (wait.held_by, wait.holder_state) == ("somebody's psql", "idle in transaction")
    assert wait.waits_as.startswith("mentalspace ")
    assert wait.holder_query == "begin; update alarm_state set checked_at = null where ? <> ?"
    assert wait.waiting_query.startswith("update alarm_state set nobody = $1")
    said = "select /* Ann */ E'a''b', 4711.5, $t$ Ann $t$, x2 from y where z = 'Ann"
    shape = await holder.fetchval("select app.query_shape($1)", said)
    assert shape.startswith("select")
    assert not re.search(r"Ann|a'|4711", shape)


async def test_what_hangs_is_not_over_because_something_else_is_silent(desk: Desk) -> None:
    """A loop of one worker hangs; then all dispatchers fall silent: both are told, and stay."""
    await pulses(desk, "dispatch", "evaluate", "page")
    await beat(desk.bench.database, "worker:a", "worker")
    await desk.bench.admin.execute(
        "update heartbeat set started_at = started_at - interval '1 hour',"
        ' loops = \'{"fold": {"every_s": 1}}\''
    )
    watchman = watching(desk)
    await watchman.tick()
    await desk.bench.admin.execute("update pulse set beat_at = beat_at - interval '2 min'")
    for _ in range(2):
        await watchman.tick()
    standing = "select title from incident where recovered_at is null and title ~ 'hangs in fold'"
    assert await desk.bench.admin.fetchval(standing)
    assert await rules(desk) == {"house.loop_silent": False}


@pytest.mark.parametrize("table", ["pulse", "heartbeat"])
async def test_heartbeats_that_nobody_can_read_are_an_alarm_that_names_who_locks_them(
    desk: Desk, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watchman is not held up by the lock: at its second look it opens an incident and sends
    the page itself. Loops turn on, the verdict is kept, what was told before stays told; and it is
    over once the lock is."""
    monkeypatch.setattr("mentalspace.engine.pulse.LOCKED_AFTER_S", 0.05)
    database, holder = desk.bench.database, desk.bench.admin
    await beat(database, "worker:x", "worker")
    await pulses(desk, "dispatch", "evaluate", "page")
    watchman = watching(desk)
    past = "update pulse set beat_at = beat_at - interval '2 min' where name = 'dispatch'"
    await holder.execute(past)
    assert [await watchman.tick(), await watchman.tick()] == [[], ["dispatch"]]
    await holder.execute("set application_name = $$somebody's psql$$")
    try:
        await holder.execute(f"begin; lock table {table} in access exclusive mode")
        assert [await watchman.tick(), await watchman.tick()] == [[], ["heartbeats"]]
        await pulses(desk, "dispatch", "evaluate", "page")
        async with open_client(live=False) as client:
            assert not await DeadMan(database, client, "http://127.0.0.1:9/ping").tick()
        await Alarm(database, desk.pager).tick()
        pid = await holder.fetchval("select pg_backend_pid()")
    finally:
        await holder.execute("rollback; reset application_name")
    titles = "select title from incident where recovered_at is null order by opened_at"
    assert [row["title"] for row in await holder.fetch(titles)] == [
        "The dispatcher is silent: what is due is not sent",
        f"The heartbeats cannot be read: table {table} locked by pid {pid}, application"
        " somebody's psql (idle in transaction)",
    ]
    assert any("The heartbeats cannot be read" in text for _target, text in desk.pages)
    judged = "select checked_at > clock_timestamp() - interval '1 min' from alarm_state"
    assert await holder.fetchval(judged)
    await pulses(desk, "dispatch", "evaluate", "page")
    await beat(database, "worker:x", "worker")
    assert await watchman.tick() == []
    assert await holder.fetch(titles) == []


async def test_a_locked_table_of_messages_keeps_nobody_from_being_paged(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the silence is due to must not hold up the news of it."""
    monkeypatch.setattr("mentalspace.engine.pulse.LOCKED_AFTER_S", 0.2)
    database, holder = desk.bench.database, desk.bench.admin
    await beat(database, "worker:x", "worker")
    await pulses(desk, "dispatch", "evaluate", "page")
    watchman = watching(desk)
    await holder.execute(
        "update pulse set beat_at = beat_at - interval '2 min' where name = 'page'"
    )
    try:
        await holder.execute(
            "begin; lock table delivery, attempt, lane, process_end in access exclusive mode"
        )
        assert [await watchman.tick(), await watchman.tick()] == [[], ["page"]]
        assert any("The pager is silent" in text for _target, text in desk.pages)
    finally:
        await holder.execute("rollback")


async def test_a_database_without_connections_is_an_alarm_while_there_is_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the program that holds most; over once they are closed. The line is moved, not the
    server filled: other tests share it."""
    slots = Slots(90, 97, "monthly-report", 61, "idle in transaction")
    assert slots.are_tight
    assert not replace(slots, taken=80).are_tight
    assert slots.words == (
        "90 of the database's 97 connections are taken: monthly-report holds 61 of them, mostly"
        " idle in transaction"
    )
    watchman = watching(desk)
    monkeypatch.setattr("mentalspace.engine.slots._TIGHT", 0.0)
    await watchman.tick()
    assert await rules(desk) == {"house.connections": False}
    title = await desk.bench.admin.fetchval("select title from incident")
    assert re.match(r"\d+ of the database's \d+ connections are taken: .+ holds \d+ of them", title)
    monkeypatch.setattr("mentalspace.engine.slots._TIGHT", 2.0)
    await watchman.tick()
    assert await rules(desk) == {"house.connections": True}


async def test_a_worker_that_starts_again_and_again_is_an_alarm(desk: Desk) -> None:
    """Three ends within five minutes on one host, though it lives now; two are an update. Over when
    the last of three is older, or the next one has lived longer than those."""
    watchman = watching(desk)
    ended = (
        "insert into heartbeat (process, kind, host, pid, started_at, beat_at) values ($1,"
        " 'worker', 'host-a', 1, clock_timestamp() - interval '1 min',"
        " clock_timestamp() - interval '20 s')"
    )
    await beat(desk.bench.database, "worker:now", "worker")
    for number in range(2):
        await desk.bench.admin.execute(ended, f"worker:{number}")
    await watchman.tick()
    assert await rules(desk) == {}
    await desk.bench.admin.execute(ended, "worker:2")
    await watchman.tick()
    assert await rules(desk) == {"house.restarts": False}
    [incident] = await desk.bench.admin.fetch("select title, since, opened_at from incident")
    assert incident["title"] == "The worker on host-a has ended 3 times within five minutes"
    assert incident["since"] < incident["opened_at"]
    assert any("has ended 3 times" in text for _target, text in desk.pages)
    aged = (
        "update heartbeat set beat_at = beat_at - $1 * interval '1 s',"
        " started_at = started_at - $1 * interval '1 s' where process ~ $2"
    )
    await desk.bench.admin.execute(aged, 300, "worker:0")
    await watchman.tick()
    assert await rules(desk) == {"house.restarts": True}
    await desk.bench.admin.execute(aged, -300, "worker:0")
    await watchman.tick()
    assert await rules(desk) == {"house.restarts": False}
    await desk.bench.admin.execute(aged, 50, "worker:[0-9]")
    await watchman.tick()
    assert await rules(desk) == {"house.restarts": True}


async def test_what_is_silent_because_a_worker_ends_again_and_again_is_told_by_that(
    desk: Desk, tmp_path: Path
) -> None:
    """One incident, which says how it ended last; a silent loop told before is led by it, another
    opens none, and what is silent still stands alone and pages once it ends no more."""
    await beat(desk.bench.database, "worker:x", "worker")
    await pulses(desk, "dispatch", "evaluate", "page")
    watchman = watching(desk)
    watchman.home = tmp_path
    past = "update pulse set beat_at = beat_at - interval '2 min' where name = '{}'"
    await desk.bench.admin.execute(past.format("dispatch"))
    assert [await watchman.tick(), await watchman.tick()] == [[], ["dispatch"]]
    (tmp_path / "run").mkdir()
    now = datetime.now(UTC)
    for number, status in enumerate((1, 1, -9)):
        at = now - timedelta(seconds=30 - number)
        note(tmp_path, End("worker", "host-a", 70 + number, at, 2.0, status, "worker_started"))
    await desk.bench.admin.execute(past.format("evaluate"))
    await watchman.tick()
    await watchman.tick()
    found = await desk.bench.admin.fetch(
        "select id, title, lead_id, rule_id from incident order by opened_at"
    )
    silent, restarts = found
    assert (silent["lead_id"], restarts["lead_id"]) == (restarts["id"], None)
    assert restarts["title"] == (
        "The worker on host-a has ended 3 times within five minutes, killed by signal 9, by"
        " somebody or by the kernel when memory runs out"
    )
    await desk.bench.admin.execute("update process_end set ended_at = ended_at - interval '6 min'")
    await watchman.tick()
    stands = await desk.bench.admin.fetch(
        "select rule_id, lead_id, next_escalation_at <= app.now() as pages from incident"
        " where recovered_at is null order by title"
    )
    assert [tuple(row) for row in stands] == [
        ("house.loop_silent", None, True),
        ("house.loop_silent", None, False),
    ]
