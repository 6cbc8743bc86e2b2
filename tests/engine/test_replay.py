"""Dead letters: what may go again goes, what may be out already never does so by itself."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from mentalspace.engine.replay import (
    NOBODYS,
    WITHOUT_CASE,
    Hold,
    close_useless,
    preflight,
    progress,
    replay,
    stop,
)
from mentalspace.workflows.demo import system_claims
from tests.engine.toy import Bench, Reply


async def held(
    bench: Bench, reply: Reply | None, *, useful_s: float = 3600, case: str | None = "toy.x"
) -> UUID:
    """A delivery whose one attempt was answered so (not at all if None), held afterwards."""
    delivery_id = await bench.deliver(expires_in=timedelta(seconds=useful_s))
    bench.server.script.append(reply or Reply(lost=True))
    await bench.turn()
    await bench.admin.execute(
        "update delivery set status = 'held', held_reason = 'for a test', last_case = $2"
        " where id = $1",
        delivery_id,
        case,
    )
    return delivery_id


async def status_of(bench: Bench, delivery_id: UUID) -> str:
    status: str = await bench.admin.fetchval(
        "select status from delivery where id = $1", delivery_id
    )
    return status


async def test_a_replay_sends_the_safe_ones_and_nothing_else(bench: Bench) -> None:
    """Of three held ones, the refused one goes again under its own key; the one whose answer was
    lost and the one whose time has passed stay where they are."""
    refused = await held(bench, Reply(http=418))
    lost = await held(bench, None)
    late = await held(bench, Reply(http=418))
    await bench.admin.execute(
        "update delivery set expires_at = app.now() - interval '1 min' where id = $1", late
    )
    claims = system_claims(bench.practice_id)
    async with bench.database.as_user(claims) as connection:
        [heap] = await preflight(connection, "toy", "toy.x")
        assert (heap.safe, heap.perhaps_sent, heap.of_no_use, heap.people) == (1, 1, 1, 1)
        replay_id, count = await replay(connection, "somebody", "toy", "toy.x")
    assert count == 1
    keys = [request.key for request in bench.server.sends()]
    await bench.turn()
    sent = [request.key for request in bench.server.sends()][len(keys) :]
    assert sent == [keys[0]], "under the key of its first attempt, and only that one"
    assert await status_of(bench, refused) == "accepted"
    assert await status_of(bench, lost) == await status_of(bench, late) == "held"
    async with bench.database.as_user(claims) as connection:
        seen = await progress(connection, replay_id)
    assert seen is not None and (seen.total, seen.arrived, seen.waiting) == (1, 1, 0)


async def test_what_is_of_no_use_is_closed_together(bench: Bench) -> None:
    """Closing ends those whose time has passed, and says so on each one's timeline."""
    keeps, late = await held(bench, Reply(http=418)), await held(bench, None)
    await bench.admin.execute(
        "update delivery set expires_at = app.now() - interval '1 min' where id = $1", late
    )
    async with bench.database.as_oncall() as connection:
        assert await close_useless(connection, "somebody") == 1
    assert await status_of(bench, late) == "cancelled"
    assert await status_of(bench, keeps) == "held"
    said = await bench.admin.fetchval(
        "select data ->> 'reason' from timeline where delivery_id = $1 and kind = 'given_up'", late
    )
    assert said == "its time has passed"


async def test_what_met_no_case_is_a_heap_of_its_own(bench: Bench) -> None:
    """Sent again or closed without a case, only those go that have none."""
    cases = (None, "toy.x", None, "toy.x")
    without, with_one, late, late_with_one = [
        await held(bench, Reply(http=418), case=case) for case in cases
    ]
    await bench.admin.execute(
        "update delivery set expires_at = app.now() where id = any ($1)", [late, late_with_one]
    )
    async with bench.database.as_oncall() as connection:
        heaps = await preflight(connection, "toy")
        assert {(heap.case_id, heap.safe) for heap in heaps} == {("toy.x", 1), (None, 1)}
        [heap] = await preflight(connection, "toy", WITHOUT_CASE)
        assert (heap.case_id, heap.safe, heap.of_no_use) == (None, 1, 1)
        assert (await replay(connection, "somebody", "toy", WITHOUT_CASE))[1] == 1
        assert await close_useless(connection, "somebody", "toy", WITHOUT_CASE) == 1
    now = [await status_of(bench, one) for one in (without, with_one, late, late_with_one)]
    assert now == ["pending", "held", "cancelled", "held"]


async def test_what_a_person_holds_is_a_heap_of_its_own(bench: Bench) -> None:
    """By name and reason, with when it began; each goes when it is meant, and only then. What was
    let go and met trouble again is nobody's."""
    _by_itself, first, second, third = [await held(bench, Reply(http=418)) for _ in range(4)]
    for one, who, why in (
        (first, "noor", "noor holds it: the template is wrong"),
        (second, "noor", "noor holds it: their page says so"),
        (third, "worker", "for a test"),
    ):
        await bench.admin.execute(
            "with said as (insert into timeline (practice_id, delivery_id, kind, data, actor)"
            "  select practice_id, id, 'held', jsonb_build_object('reason', $3::text), $2"
            "    from delivery where id = $1)"
            " update delivery set held_reason = $3 where id = $1",
            one, who, why,
        )  # fmt: skip
    async with bench.database.as_oncall() as connection:
        heaps = await preflight(connection, "toy")
        assert [(heap.held_by, heap.why, heap.safe) for heap in heaps] == [
            (None, "", 2),
            ("noor", "the template is wrong", 1),
            ("noor", "their page says so", 1),
        ]
        assert [heap.held_at is None for heap in heaps] == [True, False, False]
        hold = Hold("noor", "noor holds it: their page says so")
        assert (await replay(connection, "sam", "toy", "toy.x", hold=hold))[1] == 1
    bench.server.script.append(Reply(http=418))
    await bench.turn()
    async with bench.database.as_oncall() as connection:
        heaps = await preflight(connection, "toy")
        assert {(heap.case_id, heap.held_by) for heap in heaps} == {
            ("toy.x", None), ("toy.x", "noor"), ("toy.unmatched", None),
        }, "what went and met trouble again is nobody's"  # fmt: skip
        assert (await replay(connection, "sam", "toy", hold=NOBODYS))[1] == 3
    await bench.admin.execute("update delivery set expires_at = app.now() where id = $1", first)
    async with bench.database.as_oncall() as connection:
        assert await close_useless(connection, "sam", hold=NOBODYS) == 0
        assert await close_useless(connection, "sam", hold=Hold("noor")) == 1


async def test_a_replay_is_stopped(bench: Bench) -> None:
    """What of a replay has not left yet is held again; what has left is left alone."""
    first, second = await held(bench, Reply(http=418)), await held(bench, Reply(http=418))
    async with bench.database.as_oncall() as connection:
        replay_id, _ = await replay(connection, "somebody")
    await bench.admin.execute(
        "update delivery set next_attempt_at = app.now() + interval '1 h' where id = $1", second
    )
    await bench.turn()
    async with bench.database.as_oncall() as connection:
        assert await stop(connection, replay_id, "somebody") == 1
        seen = await progress(connection, replay_id)
        [heap] = await preflight(connection)
    assert [await status_of(bench, one) for one in (first, second)] == ["accepted", "held"]
    assert seen is not None and (seen.arrived, seen.held_again) == (1, 1)
    assert (heap.held_by, heap.why) == ("somebody", "somebody stopped its replay")


async def test_a_practice_replays_its_own(bench: Bench) -> None:
    """Another practice sees no heap and moves nothing."""
    mine = await held(bench, Reply(http=418))
    stranger = await bench.admin.fetchval(
        "insert into practice (slug, name, timezone) values ('stranger', 'Stranger', 'UTC')"
        " returning id"
    )
    async with bench.database.as_user(system_claims(stranger)) as connection:
        assert await preflight(connection) == []
        assert (await replay(connection, "somebody"))[1] == 0
    assert await status_of(bench, mine) == "held"
