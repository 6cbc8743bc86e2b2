"""What tests stand on: a database that is lent again holds what a new one holds."""

from __future__ import annotations

import asyncpg
import pytest

from mentalspace.engine.db.migrate import with_database
from tests.databases import Databases, read_contents


async def test_what_a_test_wrote_is_gone(databases: Databases) -> None:
    """Rows, counters and changes of what was there at first; history that nobody may delete too."""
    async with databases.lend() as url:
        used = await asyncpg.connect(url)
        await used.execute("select app.advance_clock(interval '1 day')")
        await used.execute("insert into timeline (kind, actor) values ('lane_paused', 'test')")
    async with databases.lend() as again:
        assert again == url
        assert await read_contents(again) == databases.contents
    assert used.is_closed()


async def test_nothing_looks_through_its_tables_behind_a_tests_back(databases: Databases) -> None:
    """An emptied table that autovacuum looked through is taken for empty once it is full."""
    async with databases.lend() as url:
        connection = await asyncpg.connect(url)
        watched = await connection.fetch(
            "select relname from pg_class where relkind = 'r' and oid >= 16384"
            " and 'autovacuum_enabled=off' <> all (coalesce(reloptions, '{}'))"
        )
        await connection.close()
    assert watched == []


@pytest.mark.parametrize(
    "altered",
    [
        "create table left_behind ()",
        "drop function app.advance_clock",
        "alter table lane disable trigger all",
        "alter table lane alter state drop default",
        "revoke select on lane from mentalspace_oncall",
        "create index on lane (state)",
        "drop policy if exists nobodys on lane; create policy nobodys on lane using (true)",
    ],
)
async def test_one_that_was_altered_is_not_lent_again(databases: Databases, altered: str) -> None:
    """Whatever statement made it another."""
    async with databases.lend() as url:
        connection = await asyncpg.connect(url)
        await connection.execute(altered)
        await connection.close()
    name = url.rpartition("/")[2]
    assert name not in databases.clean
    server = await asyncpg.connect(with_database(databases.url, "postgres"))
    assert not await server.fetchval("select 1 from pg_database where datname = $1", name)
    await server.close()
