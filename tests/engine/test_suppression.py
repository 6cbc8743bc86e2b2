"""Whom nobody writes to any more: by the runbook's word, the provider's list, or a person's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from mentalspace.engine.events import Reactor, apply_event
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.engine.steps import ENGINE_ACTIONS
from mentalspace.engine.suppression import (
    SUPPRESSING,
    lift,
    list_recipient,
    suppress,
    unlist_recipient,
)
from mentalspace.kernel.case import Disposition, ErrorCase, Fault, Match, Step
from mentalspace.kernel.delivery import Status
from mentalspace.kernel.event import Event
from mentalspace.kernel.phi import Phi
from mentalspace.workflows.demo import system_claims
from tests.engine.toy import ADDRESS, CASES, Bench, Reply

OTHER = "somebody.else@clients.example"


def case(name: str, match: Match, *steps: Step) -> ErrorCase:
    return replace(
        CASES[0],
        id=f"toy.{name}",
        match=(match,),
        disposition=Disposition.REFUSE,
        fault=Fault.RECIPIENT,
        steps=steps,
    )


GONE = case(
    "gone",
    Match(kind=frozenset({"event"}), code=frozenset({"gone"})),
    Step("suppress", {"reason": "gone"}),
)
SUPPRESSED = case(
    "suppressed", Match(kind=frozenset({"refused_locally"}), code=frozenset({"suppressed"}))
)


@pytest.fixture
def strict(bench: Bench) -> Bench:
    """A bench whose runbook suppresses whoever is gone, and refuses whoever is suppressed."""
    return replace(bench, cases=(*CASES, GONE, SUPPRESSED))


async def key_of(bench: Bench, address: str) -> str:
    return bench.vault.recipient_key(bench.practice_id, address)


async def state(bench: Bench, delivery_id: UUID) -> tuple[str, str | None]:
    row = await bench.admin.fetchrow(
        "select status, last_case from delivery where id = $1", delivery_id
    )
    return row["status"], row["last_case"]


async def bounce(bench: Bench, delivery_id: UUID) -> None:
    message_id = await bench.admin.fetchval(
        "select provider_message_id from delivery where id = $1", delivery_id
    )
    event = Event(message_id, "toy.bounced", Status.BOUNCED, datetime.now(UTC), "x", "gone")
    reactor = Reactor(lambda _room, _provider: bench.cases, {**ENGINE_ACTIONS, **SUPPRESSING})
    async with bench.database.as_worker(bench.practice_id) as connection:
        assert await apply_event(
            connection, bench.practice_id, bench.credential_id, event, None, reactor
        )


async def later(bench: Bench, to: str = ADDRESS) -> UUID:
    """A delivery that would leave in a week."""
    delivery_id = await bench.deliver(to=to)
    await bench.admin.execute(
        "update delivery set next_attempt_at = app.now() + $2 where id = $1",
        delivery_id,
        timedelta(days=7),
    )
    return delivery_id


async def test_a_bounce_ends_what_waits_for_the_same_recipient(strict: Bench) -> None:
    """After a bounce, a message due in a week is refused now, without a request, by its case; one
    to somebody else waits on."""
    first, waits, others = await strict.deliver(), await later(strict), await later(strict, OTHER)
    await strict.turn()
    await bounce(strict, first)
    sent = len(strict.server.sends())
    await strict.turn()
    assert await state(strict, first) == ("bounced", "toy.gone")
    assert await state(strict, waits) == ("refused", "toy.suppressed")
    assert await state(strict, others) == ("pending", None)
    assert len(strict.server.sends()) == sent


async def stop(bench: Bench) -> None:
    async with bench.database.as_worker(bench.practice_id) as connection:
        key = await key_of(bench, ADDRESS)
        assert await suppress(connection, bench.practice_id, "toy", key, reason="opted_out")


async def test_a_late_stop_ends_what_waits_to_be_tried_again(strict: Bench) -> None:
    """One due tomorrow and one that failed and waits are refused now; what answers whoever said
    stop leaves all the same."""
    strict.server.script.append(Reply(503))
    failed = await strict.deliver()
    await strict.turn()
    assert (await state(strict, failed))[0] == "pending"
    tomorrow = await later(strict)
    await stop(strict)
    answer = await strict.deliver(despite_suppression=True)
    await strict.turn()
    refused = ("refused", "toy.suppressed")
    assert [await state(strict, each) for each in (failed, tomorrow)] == [refused, refused]
    assert (await state(strict, answer))[0] == "accepted"
    keys = {request.key for request in strict.server.sends()[1:]}
    assert keys == {(await strict.row(answer))["idempotency_key"]}


async def test_a_stop_outruns_what_a_worker_holds(strict: Bench) -> None:
    """A worker has taken up three, and two wait for their slots when one's recipient says stop, and
    the other's client is stopped whatever the address: neither leaves any more."""
    # Ten seconds between two: time for the stop on a busy machine.
    await strict.admin.execute("update credential set rate_per_s = 0.1")
    first, second, third = [await strict.deliver(to=to) for to in (ADDRESS, ADDRESS, OTHER)]
    client_id = await strict.admin.fetchval(
        "update delivery set client_id = gen_random_uuid() where id = $1 returning client_id", third
    )
    turn = asyncio.create_task(strict.turn())
    await strict.server.arrived.wait()
    assert [await strict.status(each) for each in (second, third)] == ["sending", "sending"]
    await stop(strict)
    await strict.admin.execute(
        "insert into stopped_client values ($1, 'toy', $2)", strict.practice_id, client_id
    )
    assert len(strict.server.sends()) == 1
    await turn
    assert (await state(strict, first))[0] == "accepted"
    refused = ("refused", "toy.suppressed")
    assert [await state(strict, each) for each in (second, third)] == [refused, refused]
    assert len(strict.server.sends()) == 1


async def test_a_new_message_to_the_suppressed_is_refused_at_once(strict: Bench) -> None:
    """However far ahead it is due: there is time yet to tell the client in another way."""
    async with strict.database.as_worker(strict.practice_id) as connection:
        await suppress(
            connection,
            strict.practice_id,
            "toy",
            await key_of(strict, ADDRESS),
            reason="for a test",
        )
        delivery_id = await enqueue(
            connection,
            strict.vault,
            NewDelivery(
                practice_id=strict.practice_id,
                integration="toy",
                lane_class="bulk",
                kind="greeting",
                idempotency_key="toy/later",
                payload=b"hello",
                recipient=Phi(ADDRESS),
                due_at=datetime.now(UTC) + timedelta(days=20),
            ),
        )
    assert delivery_id is not None
    await strict.turn()
    assert await state(strict, delivery_id) == ("refused", "toy.suppressed")
    assert strict.server.sends() == []


async def test_lifted_means_written_to_again(strict: Bench) -> None:
    """A person's word, and the provider taking them off its list, both let messages through."""
    recipient = await key_of(strict, ADDRESS)
    for way in ("person", "provider"):
        async with strict.database.as_worker(strict.practice_id) as connection:
            await list_recipient(connection, strict.practice_id, "toy", recipient)
            await list_recipient(
                connection, strict.practice_id, "toy", recipient
            )  # changes nothing
        refused = await strict.deliver()
        await strict.turn()
        assert (await state(strict, refused))[0] == "refused"
        found = await strict.admin.fetchval("select id from suppression where lifted_at is null")
        if way == "person":
            async with strict.database.as_user(system_claims(strict.practice_id)) as connection:
                assert await lift(connection, found, "somebody")
                assert not await lift(connection, found, "somebody")
        else:
            async with strict.database.as_worker(strict.practice_id) as connection:
                await unlist_recipient(connection, strict.practice_id, "toy", recipient)
        again = await strict.deliver()
        await strict.turn()
        assert (await state(strict, again))[0] == "accepted"


async def test_a_drill_suppresses_nobody_else(strict: Bench) -> None:
    """What a drill brings about holds for its own traffic, not for the practice's."""
    async with strict.database.as_worker(strict.practice_id) as connection:
        await suppress(
            connection,
            strict.practice_id,
            "toy",
            await key_of(strict, ADDRESS),
            reason="drill",
            drill="d1",
        )
    ours = await strict.deliver()
    await strict.turn()
    assert (await state(strict, ours))[0] == "accepted"
