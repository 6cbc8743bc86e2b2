"""Without a vendor agreement that holds today, what names clients stays here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from mentalspace.console.narrate import narrate
from mentalspace.engine.agreement import NewAgreement, add_agreement, revoke_agreement, standings
from mentalspace.engine.credentials import NewCredential, save_credential, set_test_only
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.kernel.case import Disposition, Fault, Match
from mentalspace.kernel.errors import Refused
from mentalspace.kernel.phi import Phi
from tests.engine.toy import CASES, Bench, Reply, case

NO_AGREEMENT = case(
    "no_agreement", Match(code=frozenset({"no_agreement"})), Disposition.WAIT, fault=Fault.OURS
)
TEST_MODE = case(
    "test_mode", Match(code=frozenset({"test_mode"})), Disposition.REFUSE, fault=Fault.OURS
)


@pytest.fixture
async def strict(bench: Bench) -> AsyncIterator[Bench]:
    """A bench whose credential is held to an agreement as a live one is."""
    bench.cases = (*CASES, NO_AGREEMENT, TEST_MODE)
    await _store(bench)
    yield bench


async def _store(bench: Bench, api_key: str = "k-1") -> None:
    await save_credential(
        bench.admin,
        bench.vault,
        bench.provider,
        NewCredential(
            bench.practice_id, "toy", "default", bench.server.base_url, False,
            {"api_key": api_key}, demands_agreement=True,
        ),
    )  # fmt: skip


async def _today(bench: Bench) -> date:
    today: date = await bench.admin.fetchval("select app.today($1)", bench.practice_id)
    return today


async def _sign(bench: Bench, *, days: int | None = None, since: int = 0) -> UUID:
    """Record an agreement signed `since` days ago that ends `days` from today."""
    today = await _today(bench)
    new = NewAgreement(
        practice_id=bench.practice_id,
        vendor="acme",
        signed_on=today - timedelta(days=since),
        expires_on=None if days is None else today + timedelta(days=days),
        reference="binder 3",
    )
    return await add_agreement(bench.admin, new, "Ada")


async def _nameless(bench: Bench) -> UUID:
    """A delivery that says nothing of any client."""
    async with bench.database.as_worker(bench.practice_id) as connection:
        delivery_id = await enqueue(
            connection,
            bench.vault,
            NewDelivery(
                practice_id=bench.practice_id,
                integration="toy",
                lane_class="interactive",
                kind="password_reset",
                idempotency_key=f"toy/{uuid4()}",
                payload=b"a link",
                recipient=Phi("colleague@practice.example"),
                carries_phi=False,
            ),
        )
    assert delivery_id is not None
    return delivery_id


async def test_what_names_clients_waits_and_the_rest_goes(strict: Bench) -> None:
    """Without an agreement mails wait untried, in a paused lane that lets through what names
    nobody."""
    waiting = await strict.deliver()
    nameless = await _nameless(strict)
    await strict.turn()
    later = await _nameless(strict)
    await strict.turn()
    row = await strict.row(waiting)
    assert (row["status"], row["last_case"]) == ("pending", "toy.no_agreement")
    assert await strict.lane_states() == {"paused"}
    assert [await strict.status(d) for d in (nameless, later)] == ["accepted", "accepted"]
    assert len(strict.server.sends()) == 2


async def test_the_pause_is_told_for_what_it_is(strict: Bench) -> None:
    """The timeline says that only what names a client waits, and for what."""
    delivery = await strict.deliver()
    await strict.turn()
    rows = await strict.admin.fetch(
        "select at, kind, data, actor from timeline where delivery_id = $1 order by id", delivery
    )
    told = [line.text for line in narrate(rows, "Acme")]
    assert "Paused the lane for what names a client, until an agreement holds" in told


async def test_recording_one_lets_go_what_waited(strict: Bench) -> None:
    """The lane opens by itself once an agreement holds, and what waited is sent once."""
    delivery = await strict.deliver()
    await strict.turn()
    await _sign(strict)
    await strict.turn()
    await strict.turn()
    assert await strict.status(delivery) == "accepted"
    assert await strict.lane_states() == {"open"}
    assert len(strict.server.sends()) == 1


async def test_it_stops_on_the_day_it_ends(strict: Bench) -> None:
    """An agreement that ends tomorrow sends today and stops tomorrow, in the practice's zone."""
    await _sign(strict, days=1, since=300)
    today = await strict.deliver()
    await strict.turn()
    until_tomorrow = await strict.admin.fetchval(
        "select (app.today(id) + 1)::timestamp at time zone timezone - app.now() from practice"
        " where id = $1",
        strict.practice_id,
    )
    await strict.advance(until_tomorrow + timedelta(seconds=1))
    tomorrow = await strict.deliver()
    await strict.turn()
    assert await strict.status(today) == "accepted"
    assert (await strict.row(tomorrow))["last_case"] == "toy.no_agreement"


@pytest.mark.parametrize("why", ["not yet signed", "another vendor's", "revoked"])
async def test_one_that_does_not_hold_is_none(strict: Bench, why: str) -> None:
    """Neither a future agreement, nor another vendor's, nor a revoked one lets anything go."""
    agreement = await _sign(strict, since=-2 if why == "not yet signed" else 5)
    if why == "another vendor's":
        await strict.admin.execute("update vendor_agreement set vendor = 'other'")
    if why == "revoked":
        assert await revoke_agreement(strict.admin, agreement, "Ada") == "acme"
    delivery = await strict.deliver()
    await strict.turn()
    assert await strict.status(delivery) == "pending"
    assert strict.server.sends() == []
    [standing] = await standings(strict.admin)
    assert standing.is_missing


async def test_what_is_unknown_is_not_asked_by_sending(strict: Bench) -> None:
    """A mail perhaps sent stays unknown while no agreement holds: asking may mean sending."""
    agreement = await _sign(strict)
    strict.server.script.append(Reply(lost=True))
    delivery = await strict.deliver()
    await strict.turn()
    assert await strict.status(delivery) == "unknown"
    await revoke_agreement(strict.admin, agreement, "Ada")
    asked = len(strict.server.requests)
    await strict.turns(2)
    assert await strict.status(delivery) == "unknown"
    assert len(strict.server.requests) == asked
    await _sign(strict)
    await strict.turns(2)
    assert await strict.status(delivery) == "accepted"
    assert len(strict.server.accepted) == 1


async def test_a_refused_key_stops_the_nameless_too(strict: Bench) -> None:
    """In a lane that waits for an agreement, a refused key pauses what was still let through."""
    waiting = await strict.deliver()
    await strict.turn()
    strict.server.usual = Reply(http=401, accept=False)
    nameless = await _nameless(strict)
    await strict.turns(3)
    assert await strict.status(nameless) == "pending"
    assert len(strict.server.sends()) == 1
    strict.server.usual = Reply()
    await _store(strict, "k-2")
    await strict.turns(2)
    assert await strict.status(nameless) == "accepted"
    assert await strict.status(waiting) == "pending"


async def test_a_credential_for_tests_needs_none_and_reaches_nobody(strict: Bench) -> None:
    """A test-only credential refuses whoever is no test recipient, without any agreement."""
    await set_test_only(strict.admin, "toy", "default", True)
    delivery = await strict.deliver()
    await strict.turn()
    assert await strict.status(delivery) == "refused"
    assert (await strict.row(delivery))["last_case"] == "toy.test_mode"
    assert strict.server.requests == []


async def test_what_was_perhaps_sent_is_not_repeated_in_test_mode(strict: Bench) -> None:
    """A mail of unknown outcome is held for a person once its credential is for tests."""
    await _sign(strict)
    strict.server.script.append(Reply(lost=True))
    delivery = await strict.deliver()
    await strict.turn()
    await set_test_only(strict.admin, "toy", "default", True)
    asked = len(strict.server.requests)
    await strict.turns(1)
    assert await strict.status(delivery) == "held"
    assert len(strict.server.requests) == asked


async def test_a_key_for_tests_never_goes_live(bench: Bench) -> None:
    """A secret that is for tests is not stored for a live address; elsewhere it is for tests."""
    provider = replace(bench.provider, is_for_tests=lambda s: s["api_key"].startswith("test_"))
    new = NewCredential(
        bench.practice_id, "toy", "default", "https://live.example", True, {"api_key": "test_1"}
    )
    with pytest.raises(Refused) as caught:
        await save_credential(bench.admin, bench.vault, provider, new)
    assert caught.value.code == "test_key"
    await save_credential(
        bench.admin, bench.vault, provider, replace(new, base_url="http://127.0.0.1:1", live=False)
    )
    assert await bench.admin.fetchval("select test_only from credential") is True


async def test_only_an_administrator_keeps_the_register(bench: Bench) -> None:
    """Other staff neither read nor record; on-call sees that there is one, not where it lies."""
    await _sign(bench)
    claims: dict[str, Any] = {"sub": str(uuid4()), "practice": str(bench.practice_id)}
    today = await _today(bench)
    for role, sees in (("administrator", 1), ("front_desk", 0)):
        async with bench.database.as_user({**claims, "practice_role": role}) as connection:
            rows = await connection.fetch("select reference from vendor_agreement")
        assert len(rows) == sees, role
    new = NewAgreement(bench.practice_id, "acme", today, None, "")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with bench.database.as_user({**claims, "practice_role": "biller"}) as connection:
            await add_agreement(connection, new, "Lee")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with bench.database.as_oncall() as connection:
            await connection.fetch("select reference from vendor_agreement")
    async with bench.database.as_oncall() as connection:
        [standing] = await standings(connection)
    assert standing.holds


async def test_a_revoked_one_stays_revoked(bench: Bench) -> None:
    """Nobody makes an agreement hold again; and a second revocation finds none."""
    agreement = await _sign(bench)
    assert await revoke_agreement(bench.admin, agreement, "Ada") == "acme"
    assert await revoke_agreement(bench.admin, agreement, "Ada") is None
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await bench.admin.execute(
            "update vendor_agreement set revoked_at = null, revoked_by = null"
        )


async def test_an_agreement_ends_after_it_begins(bench: Bench) -> None:
    """One that would end before it was signed is refused in words."""
    with pytest.raises(Refused, match="ends after"):
        await _sign(bench, days=-3)
