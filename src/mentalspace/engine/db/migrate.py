"""Brings a database to today's shape: roles, tables, the queue's own schema, the log-in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from alembic import command, op
from alembic.config import Config
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from mentalspace.engine.db.address import (
    LOGIN,
    ensure_database,
    login_password,
    login_url,
    login_verifier,
    with_database,
)
from mentalspace.engine.db.shape import migration_folders, shape_of
from mentalspace.engine.queue import install_queue
from mentalspace.kernel.errors import MentalSpaceError

__all__ = [
    "DatabaseTooOld",
    "ensure_database",
    "login_password",
    "login_url",
    "migrate",
    "run_sql",
    "with_database",
]

OLDEST_POSTGRES = 16
# Any constant will do; two migrations at once take turns on it.
MIGRATION_LOCK = 7_235_661_042

_LOGIN_SQL = """
do $$ begin
  if not exists (select from pg_roles where rolname = '{login}') then
    create role {login} login noinherit;
  end if;
end $$;
alter role {login} with login noinherit password '{verifier}';
grant authenticated, mentalspace_worker, mentalspace_dispatcher, mentalspace_oncall,
      mentalspace_door, mentalspace_queue to {login};
"""
# Written last: what it says is there is there.
_SHAPE_SQL = """
insert into app.installed (shape) values ($1)
on conflict (only_row) do update set shape = excluded.shape, installed_at = clock_timestamp()
"""


class DatabaseTooOld(MentalSpaceError):
    pass


async def migrate(
    admin_url: str, *, master_key: bytes, packages: Sequence[str], clock_movable: bool
) -> None:
    """Apply what is missing, in one transaction; safe to run at once from several hosts.

    `packages` hold a `migrations` folder each: the practice's and the rooms'.
    """
    engine = create_async_engine(_alchemy_url(admin_url), poolclass=pool.NullPool)
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"select pg_advisory_xact_lock({MIGRATION_LOCK})"))
            await _require_version(await connection.scalar(text("show server_version_num")))
            await connection.run_sync(_upgrade, _config(packages))
    finally:
        await engine.dispose()
    raw = await asyncpg.connect(admin_url)
    try:
        await raw.execute(f"select pg_advisory_lock({MIGRATION_LOCK})")
        await install_queue(raw)
        await raw.execute(_LOGIN_SQL.format(login=LOGIN, verifier=login_verifier(master_key)))
        await raw.execute("update app.clock set movable = $1", clock_movable)
        await raw.execute(_SHAPE_SQL, shape_of(tuple(packages)))
    finally:
        await raw.close()


def run_sql(sql: str) -> None:
    """Run a migration's SQL script whole, inside the migration's transaction."""
    bind = op.get_bind()
    # A statement of SQLAlchemy's own first: it begins the transaction only then, and a script
    # sent straight to the driver would otherwise commit by itself.
    bind.execute(text("select 1"))
    adapted = bind.connection.dbapi_connection
    assert adapted is not None
    adapted.run_async(lambda driver: driver.execute(sql))


def _upgrade(connection: Connection, config: Config) -> None:
    config.attributes["connection"] = connection
    command.upgrade(config, "heads")


def _config(packages: Sequence[str]) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    config.set_main_option("path_separator", "os")
    config.set_main_option(
        "version_locations", os.pathsep.join(map(str, migration_folders(packages)))
    )
    return config


def _alchemy_url(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(scheme="postgresql+asyncpg"))


async def _require_version(server_version_num: str | None) -> None:
    if int(server_version_num or 0) // 10000 < OLDEST_POSTGRES:
        raise DatabaseTooOld(
            f"DATABASE_URL leads to PostgreSQL {int(server_version_num or 0) // 10000}; "
            f"MentalSpace needs {OLDEST_POSTGRES} or later"
        )
