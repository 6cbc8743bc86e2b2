"""The ledger: written with the caller, once, forward only, unreadable at rest."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from mentalspace.engine.credentials import read_secrets
from mentalspace.engine.db import Database
from mentalspace.engine.dispatch import PAYLOAD_RETENTION_DAYS, purge_payloads
from mentalspace.engine.ledger import NewDelivery, cancel_pending, enqueue
from mentalspace.engine.secrets import SealBroken, Vault
from mentalspace.kernel.delivery import TRANSITIONS, Status
from mentalspace.kernel.phi import Phi
from tests.engine.toy import ADDRESS, Bench, make_practice

ROLES = ("authenticated", "mentalspace_worker", "mentalspace_dispatcher", "mentalspace_oncall",
         "mentalspace_door")  # fmt: skip


class Regret(Exception):
    pass


def greeting(bench: Bench, key: str) -> NewDelivery:
    return NewDelivery(
        practice_id=bench.practice_id,
        integration="toy",
        lane_class="interactive",
        kind="greeting",
        idempotency_key=key,
        payload=b"hello " + ADDRESS.encode(),
        recipient=Phi(ADDRESS),
    )


@pytest.mark.parametrize("something_before", [False, True])
async def test_enqueuing_belongs_to_the_callers_transaction(
    bench: Bench, something_before: bool
) -> None:
    """What is rolled back was never enqueued, even if enqueuing was the first statement."""
    with pytest.raises(Regret):
        async with bench.database.as_worker(bench.practice_id) as connection:
            if something_before:
                await connection.execute("select 1")
            assert await enqueue(connection, bench.vault, greeting(bench, "toy/regretted"))
            raise Regret
    assert await bench.admin.fetchval("select count(*) from delivery") == 0
    assert await bench.admin.fetchval("select count(*) from timeline") == 0


async def test_the_same_key_is_the_same_delivery(bench: Bench) -> None:
    """Enqueuing a key again gives the first one's id and leaves no second trace."""
    first = await bench.deliver(key="toy/once")
    assert await bench.deliver(b"something else", key="toy/once") == first
    assert await bench.kinds(first) == ["delivery_created"]
    await bench.turn()
    assert await bench.deliver(key="toy/once") == first
    await bench.turn()
    assert len(bench.server.requests) == 1


async def test_a_practice_without_a_credential_is_told_so(bench: Bench) -> None:
    """Nothing is enqueued for a practice without a credential, and nothing is raised."""
    other = await make_practice(bench.admin, "bare")
    async with bench.database.as_worker(other) as connection:
        new = greeting(bench, "toy/nowhere")
        assert await enqueue(connection, bench.vault, _of(new, other)) is None


def _of(new: NewDelivery, practice_id: Any) -> NewDelivery:
    return NewDelivery(
        **{name: getattr(new, name) for name in NewDelivery.__slots__ if name != "practice_id"},
        practice_id=practice_id,
    )


async def test_only_what_has_not_left_is_cancelled(bench: Bench) -> None:
    """Cancelling a subject's mails leaves the accepted ones as they are."""
    gone = await bench.deliver()
    await bench.turn()
    waiting = await bench.deliver()
    subject = bench.practice_id  # any id will do
    await bench.admin.execute("update delivery set subject_id = $1", subject)
    async with bench.database.as_worker(bench.practice_id) as connection:
        count = await cancel_pending(
            connection, subject, kind="greeting", reason="moved", actor="test"
        )
    assert count == 1
    assert (await bench.status(gone), await bench.status(waiting)) == ("accepted", "cancelled")


# Forward only -------------------------------------------------------------------------------


async def test_the_databases_table_of_moves_is_the_codes(
    admin: asyncpg.Connection[Any],
) -> None:
    """The trigger's table and the kernel's say the same of every pair of states."""
    rows = await admin.fetch("select before, after from app.delivery_transition")
    code = {(b.value, a.value) for b, onward in TRANSITIONS.items() for a in onward}
    assert {tuple(row) for row in rows} == code


async def test_the_database_refuses_every_other_move(bench: Bench) -> None:
    """For each of the 132 pairs of states the trigger lets pass what the table allows, no more."""
    delivery = await bench.deliver()
    for before, after in itertools.permutations(Status, 2):
        await bench.admin.execute("alter table delivery disable trigger delivery_moves")
        await bench.admin.execute(
            "update delivery set status = $2 where id = $1", delivery, before.value
        )
        await bench.admin.execute("alter table delivery enable trigger delivery_moves")
        move = bench.admin.execute(
            "update delivery set status = $2 where id = $1", delivery, after.value
        )
        if after in TRANSITIONS[before]:
            await move
        else:
            with pytest.raises(asyncpg.CheckViolationError, match="does not go from"):
                await move


@pytest.mark.parametrize("table", ["timeline", "audit"])
async def test_history_cannot_be_changed(bench: Bench, database: Database, table: str) -> None:
    """Neither the owner nor any role may change, remove or empty what was written down."""
    await bench.deliver()
    await bench.admin.execute("insert into audit (actor, action) values ('test', 'looked')")
    changes = (f"update {table} set actor = 'nobody'", f"delete from {table}", f"truncate {table}")
    for change in changes:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await bench.admin.execute(change)
        for role in ROLES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with database.acting(role, _everything(bench)) as connection:
                    await connection.execute(change)


def _everything(bench: Bench) -> dict[str, Any]:
    return {"practice": str(bench.practice_id), "practice_role": "administrator"}


# At rest ------------------------------------------------------------------------------------


async def test_no_address_lies_readable_in_the_engines_tables(bench: Bench) -> None:
    """After a delivery failed and a webhook came, no column of the engine holds the address, though
    the provider's sentence about it is told, without it."""
    from tests.engine.toy import Reply

    bench.server.script.append(Reply(http=422))  # its message quotes the address
    await bench.deliver(b"to " + ADDRESS.encode())
    await bench.deliver(b"invalid " + ADDRESS.encode())
    await bench.turn()
    body = f'{{"id": "{ADDRESS}", "kind": "x", "status": null, "at": "2026-01-01"}}'
    await bench.inbox().receive("toy", "default", body.encode(), {"x-key": "k-1", "x-id": "1"})
    await bench.inbox().process(str(bench.practice_id))
    tables = ("delivery", "inbox", "attempt", "attempt_delivery", "timeline", "credential",
              "lane", "incident", "page", "audit")  # fmt: skip
    filled = 0
    for table in tables:
        for row in await bench.admin.fetch(f"select * from {table}"):
            filled += 1
            for name, value in row.items():
                seen = value if isinstance(value, bytes) else str(value).encode()
                assert ADDRESS.encode() not in seen, f"{table}.{name}"
                assert b"k-1" not in seen, f"{table}.{name}"
    assert filled > 10
    said = "select data ->> 'said' from timeline where kind = 'classified' and data ? 'said'"
    assert await bench.admin.fetchval(said) == "We do not like …."


def test_a_seal_opens_only_for_its_practice_and_purpose(vault: Vault) -> None:
    """Bytes sealed for one practice or purpose cannot be opened as another's, or changed."""

    one, two = UUID(int=1), UUID(int=2)
    sealed = vault.seal(one, "delivery", b"private")
    assert vault.open(one, "delivery", sealed) == b"private"
    assert sealed != vault.seal(one, "delivery", b"private")
    for practice, purpose, raw in (
        (two, "delivery", sealed),
        (one, "inbox", sealed),
        (one, "delivery", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (one, "delivery", sealed[:5]),
        (one, "delivery", b""),
    ):
        with pytest.raises(SealBroken):
            vault.open(practice, purpose, raw)
    with pytest.raises(SealBroken):
        Vault(b"x" * 32).open(one, "delivery", sealed)


def test_a_recipients_key_is_the_same_however_it_is_written(vault: Vault) -> None:
    """One person counts once within a practice, and cannot be followed into another."""

    key = vault.recipient_key(UUID(int=1), "A.Person@example.org")
    assert key == vault.recipient_key(UUID(int=1), " a.person@EXAMPLE.org ")
    assert key != vault.recipient_key(UUID(int=2), "a.person@example.org")


async def test_bodies_are_forgotten_after_their_retention(bench: Bench) -> None:
    """A month after a delivery ended, or was accepted and never heard of, its body is gone; what
    still waits keeps it."""
    ended, accepted = await bench.deliver(), await bench.deliver()
    await bench.turn()
    await bench.admin.execute("update delivery set status = 'delivered' where id = $1", ended)
    waiting = await bench.deliver()

    async def kept() -> list[bool]:
        await purge_payloads(bench.database)
        return [(await bench.row(i))["payload"] is not None for i in (ended, accepted, waiting)]

    await bench.advance(timedelta(days=PAYLOAD_RETENTION_DAYS - 1))
    assert await kept() == [True, True, True]
    await bench.advance(timedelta(days=2))
    assert await kept() == [False, False, True]


async def test_all_bodies_whose_time_has_come_are_forgotten_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many they are; and what ended long after it was accepted has its month from there,
    though younger ones were forgotten before it."""
    monkeypatch.setattr("mentalspace.engine.dispatch.PURGED_AT_ONCE", 1)
    late, *_others = [await bench.deliver() for _ in range(4)]
    await bench.turn()
    await bench.advance(timedelta(days=25))
    await bench.admin.execute("update delivery set status = 'bounced' where id = $1", late)

    async def kept() -> list[UUID]:
        await purge_payloads(bench.database)
        rows = await bench.admin.fetch("select id from delivery where payload is not null")
        return [row["id"] for row in rows]

    await bench.advance(timedelta(days=PAYLOAD_RETENTION_DAYS - 24))
    assert await kept() == [late]
    await bench.advance(timedelta(days=23))
    assert await kept() == [late]
    await bench.advance(timedelta(days=2))
    assert await kept() == []


async def test_a_rotated_secret_replaces_the_old_one(bench: Bench) -> None:
    """Saving an endpoint again keeps its id, raises its version and gives the new secret."""
    again = await bench.save_credential(bench.practice_id, "default", "k-2")
    assert again == bench.credential_id
    row = await bench.admin.fetchrow("select version, rotated_at from credential")
    assert row is not None
    assert row["version"] == 2
    assert row["rotated_at"] is not None
    assert row["rotated_at"] > datetime(2026, 1, 1, tzinfo=UTC)
    secrets = await read_secrets(bench.admin, bench.vault, "toy", "default")
    assert secrets == {"api_key": "k-2"}
