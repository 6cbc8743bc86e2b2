"""A migrated database for each test, wiped and used again: to copy one costs half a second of CPU.

One that a test altered (a table, a function, a trigger, a setting) or filled is thrown away.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from mentalspace.engine.db.migrate import with_database

# More than that in one table is not worth wiping.
_FULL = 400_000  # bytes

# Everything that statements other than insert, update, delete and truncate leave behind. A copy has
# its original's object ids and transaction numbers.
_SHAPE = """
select bit_xor(hashtextextended(line, 0)) from (
  select concat_ws(',', 'class', oid, relname, relkind, relowner, relacl, relrowsecurity,
                   relforcerowsecurity, reloptions) as line
    from pg_class where oid >= 16384 and relpersistence <> 't'
  union all select concat_ws(',', 'column', attrelid, attnum, xmin) from pg_attribute
             where attrelid >= 16384
               and attrelid in (select oid from pg_class where relpersistence <> 't')
  union all select concat_ws(',', 'default', oid, xmin) from pg_attrdef
  union all select concat_ws(',', 'function', oid, xmin) from pg_proc where oid >= 16384
  union all select concat_ws(',', 'trigger', oid, xmin) from pg_trigger
  union all select concat_ws(',', 'constraint', oid, xmin) from pg_constraint where oid >= 16384
  union all select concat_ws(',', 'policy', oid, xmin) from pg_policy
  union all select concat_ws(',', 'schema', oid, nspname, nspacl) from pg_namespace
             where nspname !~ '^pg_(toast_)?temp_'
  union all select concat_ws(',', 'setting', setrole, setconfig) from pg_db_role_setting
             where setdatabase = (select oid from pg_database where datname = current_database())
) as said
"""
_TABLES = """
select schemaname as schema, tablename as name from pg_tables
 where schemaname not in ('pg_catalog', 'information_schema') order by 1, 2
"""
# What autovacuum learns of a table between two tests is that it is empty, on so many pages: it is
# then taken for empty however much the next one writes, and three hundred practices are judged by
# reading everything for each of them.
_LEAVE_ALONE = """
select format('alter table %I.%I set (autovacuum_enabled = off)', schemaname, tablename) as sql
  from pg_tables where schemaname not in ('pg_catalog', 'information_schema')
"""
_LARGEST = "select coalesce(max(pg_relation_size(relid)), 0) from pg_stat_user_tables"
_COUNTERS = """
select format('%I.%I', schemaname, sequencename) as name, last_value from pg_sequences
 where last_value is not null
"""
_BEGIN_ANEW = """
select setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
  from pg_sequences where last_value is not null
"""
_END_SESSIONS = """
select bool_and(pg_terminate_backend(pid, 10000)) from pg_stat_activity
 where datname = current_database() and pid <> pg_backend_pid()
"""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a migrated database holds before anybody used it: rows by table, in binary."""

    shape: int
    tables: Sequence[tuple[str, str]]
    rows: Mapping[tuple[str, str], bytes]
    counters: Mapping[str, int]


@dataclass(slots=True)
class Databases:
    """Copies of `template` on that server. `url` is an owner's, of any database there."""

    url: str
    template: str
    contents: Contents
    clean: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[str]:
        """The owner's URL of one that nobody else has."""
        name = self.clean.pop() if self.clean else await self._copy()
        yield with_database(self.url, name)
        await self._take_back(name)

    async def _copy(self) -> str:
        name = f"t_{secrets.token_hex(6)}"
        async with _connected(self.url) as server:
            await server.execute(f'create database "{name}" template "{self.template}"')
        return name

    async def _take_back(self, name: str) -> None:
        async with _connected(with_database(self.url, name)) as its:
            await its.fetchval(_END_SESSIONS)
            wiped = await _wipe(its, self.contents)
        if wiped:
            self.clean.append(name)
            return
        async with _connected(self.url) as server:
            await server.execute(f'drop database "{name}" with (force)')


async def leave_alone(url: str) -> None:
    """Let nothing but a test itself look through its tables: how a question is answered is not to
    depend on the minute."""
    async with _connected(url) as its:
        for row in await its.fetch(_LEAVE_ALONE):
            await its.execute(row["sql"])


async def read_contents(url: str) -> Contents:
    async with _connected(url) as its:
        tables = [(row["schema"], row["name"]) for row in await its.fetch(_TABLES)]
        rows = {}
        for schema, name in await _filled(its, tables):
            into = io.BytesIO()
            await its.copy_from_table(name, schema_name=schema, output=into, format="binary")
            rows[schema, name] = into.getvalue()
        counters = {row["name"]: row["last_value"] for row in await its.fetch(_COUNTERS)}
        return Contents(await its.fetchval(_SHAPE), tables, rows, counters)


async def _wipe(its: asyncpg.Connection[Any], contents: Contents) -> bool:
    """Whether it holds again what it held at first; if not, nothing was changed."""
    if await its.fetchval(_SHAPE) != contents.shape or await its.fetchval(_LARGEST) > _FULL:
        return False
    async with its.transaction():
        # Neither the triggers that keep history from being changed nor foreign keys have a say.
        await its.execute("set local session_replication_role = replica")
        for schema, name in await _filled(its, contents.tables):
            await its.execute(f'delete from "{schema}"."{name}"')
        for (schema, name), rows in contents.rows.items():
            await its.copy_to_table(
                name, schema_name=schema, source=io.BytesIO(rows), format="binary"
            )
        await its.execute(_BEGIN_ANEW)
        for name, value in contents.counters.items():
            await its.execute("select setval($1::text::regclass, $2)", name, value)
    return True


async def _filled(
    its: asyncpg.Connection[Any], tables: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    asked = " union all ".join(
        f'select {n} where exists (select from "{schema}"."{name}")'
        for n, (schema, name) in enumerate(tables)
    )
    return [tables[row[0]] for row in await its.fetch(asked)]


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()
