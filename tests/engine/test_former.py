"""What a credential stood with before: kept sealed for a week, displaced by nothing worse."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from mentalspace.engine.credentials import NewCredential, save_credential
from mentalspace.engine.former import Former, differs, host_of, open_former, read_former
from mentalspace.engine.reseal import reseal
from mentalspace.engine.secrets import Vault
from tests.conftest import MASTER_KEY
from tests.engine.toy import Bench, make_practice

GOOD, BAD, WORSE = "k-1", "k-bad", "k-worse"


async def _enter(bench: Bench, key: str, **changes: Any) -> None:
    new = NewCredential(
        bench.practice_id, "toy", "default", bench.server.base_url, False, {"api_key": key}
    )
    await save_credential(bench.admin, bench.vault, bench.provider, replace(new, **changes))


async def _former(bench: Bench) -> Former | None:
    async with bench.database.as_oncall() as connection:
        return await read_former(connection, bench.credential_id)


async def _kept(bench: Bench) -> str | None:
    former = await _former(bench)
    if former is None:
        return None
    opened = await open_former(bench.admin, bench.vault, former)
    return opened["api_key"] if opened else None


async def _send(bench: Bench) -> None:
    delivery = await bench.deliver()
    await bench.turn()
    assert await bench.status(delivery) == "accepted"


async def test_what_is_replaced_is_kept_with_its_address(bench: Bench) -> None:
    """Sealed, with who had entered it and when; the first of a credential replaces nothing."""
    assert await _former(bench) is None
    await _enter(bench, BAD, base_url="http://127.0.0.1:9", entered_by="Theo")
    former = await _former(bench)
    assert former is not None
    assert (former.base_url, former.entered_by) == (bench.server.base_url, None)
    assert former.forget_at - former.replaced_at == timedelta(days=7)
    assert await _kept(bench) == GOOD
    sealed = await bench.admin.fetchval("select secrets from credential_former")
    assert GOOD.encode() not in sealed
    by = await bench.admin.fetchval("select entered_by from credential")
    assert by == "Theo"


async def test_what_never_went_well_displaces_nothing(bench: Bench) -> None:
    """Of two mistakes in a row the one that worked stays; once the second has worked it counts."""
    await _send(bench)
    await _enter(bench, BAD)
    await _enter(bench, WORSE)
    assert await _kept(bench) == GOOD
    await _send(bench)
    await _enter(bench, GOOD + "-new")
    assert await _kept(bench) == WORSE


async def test_the_same_again_forgets_nothing(bench: Bench) -> None:
    """As after a lane was paused: nothing is replaced, and what it was known for stays."""
    await _send(bench)
    await _enter(bench, BAD)
    await _enter(bench, BAD)
    assert await _kept(bench) == GOOD
    await _enter(bench, GOOD)
    assert await _kept(bench) == BAD, "entered by hand it is brought back"


async def test_what_has_leaked_is_not_kept(bench: Bench) -> None:
    """Nor what was kept before it."""
    await _send(bench)
    await _enter(bench, BAD)
    await _enter(bench, WORSE, has_leaked=True)
    assert await bench.admin.fetchval("select count(*) from credential_former") == 0


async def test_after_a_week_it_is_nobodys(bench: Bench) -> None:
    """Whether or not it was wiped yet; no longer time can be written down."""
    await _enter(bench, BAD)
    former = await _former(bench)
    assert former is not None
    await bench.advance(timedelta(days=7, seconds=1))
    assert await _former(bench) is None
    assert await open_former(bench.admin, bench.vault, former) is None
    with pytest.raises(asyncpg.CheckViolationError):
        await bench.admin.execute(
            "update credential_former set forget_at = replaced_at + interval '8 days'"
        )


async def test_another_master_key_opens_it_once_sealed_anew(bench: Bench) -> None:
    """A rotation of the master key takes what is kept along."""
    await _enter(bench, BAD)
    new = Vault(b"n" * 32, MASTER_KEY)
    await reseal(bench.admin, new, lambda _column: None)
    former = await _former(bench)
    assert former is not None
    assert await open_former(bench.admin, Vault(b"n" * 32), former) == {"api_key": GOOD}


async def test_nobody_reads_it_but_a_worker_of_its_practice(bench: Bench) -> None:
    """On-call sees when and by whom; another practice's worker sees no row; no role writes it."""
    await _enter(bench, BAD)
    other = await make_practice(bench.admin, "other")
    read = "select secrets from credential_former"
    for acting in (bench.database.as_oncall(), bench.database.as_dispatcher()):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with acting as connection:
                await connection.fetch(read)
    claims = {"sub": str(UUID(int=1)), "practice": str(bench.practice_id)}
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with bench.database.as_user({**claims, "practice_role": "administrator"}) as theirs:
            await theirs.fetch("select credential_id from credential_former")
    async with bench.database.as_worker(other) as connection:
        assert await connection.fetch(read) == []
        assert await connection.execute("delete from credential_former") == "DELETE 0"
    async with bench.database.as_worker(bench.practice_id) as connection:
        assert [row["secrets"] for row in await connection.fetch(read)]
        assert await connection.execute("delete from credential_former") == "DELETE 0", "too early"
    for change in ("set forget_at = forget_at", "set secrets = secrets"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with bench.database.as_worker(bench.practice_id) as connection:
                await connection.execute(f"update credential_former {change}")


async def test_what_waits_is_tried_at_once_with_another(bench: Bench) -> None:
    """Neither an open breaker nor the wait after a failure outlives what they came from."""
    await _enter(bench, GOOD, base_url="http://127.0.0.1:9")
    waiting = [await bench.deliver(to=f"p{n}@clients.example") for n in range(6)]
    await bench.turn()
    assert (await bench.breaker())["breaker"] == "open"
    await _enter(bench, GOOD)
    await bench.turn()
    await bench.turn()
    assert {await bench.status(each) for each in waiting} == {"accepted"}


def test_of_an_address_only_the_host_is_told() -> None:
    """What else stands in one may be private, and one that cannot be read is no reason to fail."""
    before = "https://user:hunter2@api.example:8443/v1?key=k"
    changed = differs(before, {"a": "1", "b": "2"}, "https://api.exampel/v1", {"a": "1", "b": "3"})
    assert changed.words == "b; the address from api.example to api.exampel"
    assert changed.what == "secret and address"
    assert "another port or path" in differs(before, {}, "https://api.example", {}).words
    assert host_of("http://[::1") == "what is no address"
    assert not differs(before, {"a": "1"}, before, {"a": "1"})
    told = json.dumps([changed.words, repr(changed)])
    assert "hunter2" not in told
    assert "8443" not in told
