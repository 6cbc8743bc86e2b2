"""The audit's chain: whole by itself, and broken by whatever is done to it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from mentalspace.engine.db import Database
from mentalspace.practice.audit import note, verify, write_heads_down
from mentalspace.workflows.demo import system_claims

ENTRIES = 12


@pytest.fixture
async def practices(admin: asyncpg.Connection[Any]) -> list[UUID]:
    rows = await admin.fetch(
        "insert into practice (slug, name, timezone) values ('one', 'One', 'UTC'),"
        " ('two', 'Two', 'UTC') returning id"
    )
    return [row["id"] for row in rows]


def written(logs: Path) -> str:
    return logs.read_text()


async def read_something(database: Database, practice_id: UUID, number: int) -> None:
    async with database.as_user(system_claims(practice_id)) as connection:
        await note(connection, "somebody", "client.read", practice_id=practice_id, n=str(number))


@pytest.fixture
async def read(database: Database, practices: list[UUID]) -> UUID:
    """Entries in two practices and of nobody, written side by side; the first practice's id."""
    async with database.as_door() as connection:
        await note(connection, "unknown", "log_in_refused", practice_id=None)
    await asyncio.gather(
        *(read_something(database, p, n) for n in range(ENTRIES) for p in practices)
    )
    return practices[0]


async def test_every_practice_has_a_whole_chain(database: Database, read: UUID) -> None:
    """Entries written at once stand in one unbroken row for each practice."""
    chains = {chain.practice: chain for chain in await verify(database)}
    assert {name: chain.entries for name, chain in chains.items()} == {
        "no practice": 1,
        "one": ENTRIES,
        "two": ENTRIES,
    }
    assert all(chain.broken_at is None for chain in chains.values())
    assert len({chain.head for chain in chains.values()}) == 3


@pytest.mark.parametrize(
    ("deed", "broken_at", "reason"),
    [
        ("update audit set action = 'nothing' where chain = $1 and seq = 5", 5, "changed"),
        ("update audit set at = at - interval '1 s' where chain = $1 and seq = 7", 7, "changed"),
        ("delete from audit where chain = $1 and seq = 4", 5, "before it are missing"),
        ("delete from audit where chain = $1 and seq = 1", 2, "before it are missing"),
        ("delete from audit where chain = $1 and seq = 12", 12, "newest entries are missing"),
        (
            "update audit a set actor = 'me', hash = app.audit_hash(row(a.id, a.at, a.practice_id,"
            " 'me', a.action, a.subject, a.data, a.chain, a.seq, a.previous, a.hash)::audit)"
            " where chain = $1 and seq = 6",
            7,
            "before it was replaced",
        ),
    ],
)
async def test_whatever_is_done_to_it_shows(
    database: Database,
    admin: asyncpg.Connection[Any],
    read: UUID,
    deed: str,
    broken_at: int,
    reason: str,
) -> None:
    """An owner who lifts the append-only trigger and changes, removes or rewrites an entry breaks
    this practice's chain there, and no other."""
    await admin.execute("alter table audit disable trigger audit_append_only")
    await admin.execute(deed, read)
    chains = {chain.practice: chain for chain in await verify(database)}
    assert chains["one"].broken_at == broken_at
    assert reason in (chains["one"].reason or "")
    assert chains["two"].broken_at is chains["no practice"].broken_at is None


async def test_a_chain_cut_short_with_its_head_shows_in_the_log(
    database: Database, admin: asyncpg.Connection[Any], read: UUID, logs: Path
) -> None:
    """The log holds the heads, so that an end cut off together with the head is seen there."""
    await write_heads_down(database)
    before = {chain.practice: chain.head for chain in await verify(database)}
    assert all(head in written(logs) for head in before.values())
    await admin.execute("alter table audit disable trigger audit_append_only")
    await admin.execute("delete from audit where chain = $1 and seq > 9", read)
    await admin.execute(
        "update audit_head set seq = 9, hash = (select hash from audit where chain = $1"
        " and seq = 9) where chain = $1",
        read,
    )
    [cut] = [chain for chain in await verify(database) if chain.practice == "one"]
    assert cut.broken_at is None and cut.head not in written(logs)


async def test_nobody_but_the_chain_sets_its_links(database: Database, read: UUID) -> None:
    """Whoever writes an entry with links of their own gets the right ones all the same; and no
    role may touch the heads."""
    async with database.as_user(system_claims(read)) as connection:
        await connection.execute(
            "insert into audit (practice_id, actor, action, chain, seq, previous, hash)"
            " values ($1, 'me', 'client.read', gen_random_uuid(), 77, '', '')",
            read,
        )
    assert all(chain.broken_at is None for chain in await verify(database))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.as_user(system_claims(read)) as connection:
            await connection.execute("update audit_head set seq = 0")
