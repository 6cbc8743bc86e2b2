"""Evidence in the database: only ever lengthened, hashed as whoever verifies it hashes."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from mentalspace.engine.db import Database
from mentalspace.engine.evidence import append, read_chain, read_head
from mentalspace.kernel.chain import flaws


async def test_a_chain_grows_by_whole_entries(database: Database) -> None:
    """What the database numbers and hashes is what this side's rule says, letters included."""
    records = [{"n": n, "said": "déjà “vu”\n\t\\"} for n in range(3)]

    async def one(record: dict[str, Any]) -> None:
        async with database.as_dispatcher() as connection:
            await append(connection, "day", "drill", record)

    await asyncio.gather(*map(one, records))
    async with database.as_oncall() as connection:
        chain = await read_chain(connection, "day")
        head = await read_head(connection, "day")
    assert flaws(chain) == []
    assert [entry.seq for entry in chain] == [1, 2, 3]
    assert sorted(entry.record["n"] for entry in chain) == [0, 1, 2]
    assert head == (3, chain[-1].hash)


async def test_nobody_changes_what_is_written(
    database: Database, admin: asyncpg.Connection[Any]
) -> None:
    """Not even the owner, while the trigger stands; and after its end a chain takes nothing."""
    async with database.as_dispatcher() as connection:
        await append(connection, "day", "opened", {"n": 1})
        await append(connection, "day", "closed", {"n": 2})
    for statement in (
        "update evidence set body = '{}'",
        "delete from evidence",
        "truncate evidence",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await admin.execute(statement)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.as_dispatcher() as connection:
                await connection.execute(statement)
    with pytest.raises(asyncpg.CheckViolationError):
        async with database.as_dispatcher() as connection:
            await append(connection, "day", "drill", {"n": 3})
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.as_dispatcher() as connection:
            await connection.execute("update evidence_head set hash = ''")
