"""Brings a database to today's shape: roles, tables, the queue's own schema, the log-in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from alembic import command, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from mentalspace.engine.db.address import (
    LOGIN,
    ensure_database,
    login_password,
    login_url,
    with_database,
)
from mentalspace.engine.queue import install_queue
from mentalspace.kernel.errors import MentalSpaceError

__all__ = [
    "DatabaseTooOld",
    "MigrationState",
    "ensure_database",
    "login_password",
    "login_url",
    "migrate",
    "migration_state",
    "run_sql",
    "with_database",
]

OLDEST_POSTGRES = 16
# Any constant will do; two migrations at once take turns on it.
_MIGRATION_LOCK = 7_235_661_042

_LOGIN_SQL = """
do $$ begin
  if not exists (select from pg_roles where rolname = '{login}') then
    create role {login} login noinherit;
  end if;
end $$;
alter role {login} with login noinherit nobypassrls password '{password}';
grant authenticated, mentalspace_worker, mentalspace_dispatcher, mentalspace_oncall,
      mentalspace_door, mentalspace_queue to {login};
-- Readiness asks whether the tables are today's.
grant select on alembic_version to mentalspace_door;
"""


class DatabaseTooOld(MentalSpaceError):
    pass


@dataclass(frozen=True, slots=True)
class MigrationState:
    """`missing` are the heads this code knows that the database does not have yet."""

    applied: tuple[str, ...]
    missing: tuple[str, ...]


async def migrate(
    admin_url: str, *, master_key: bytes, packages: Sequence[str], clock_movable: bool
) -> None:
    """Apply what is missing, in one transaction; safe to run at once from several hosts.

    `packages` hold a `migrations` folder each: the practice's and the rooms'.
    """
    engine = create_async_engine(_alchemy_url(admin_url), poolclass=pool.NullPool)
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"select pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            await _require_version(await connection.scalar(text("show server_version_num")))
            await connection.run_sync(_upgrade, _config(packages))
    finally:
        await engine.dispose()
    raw = await asyncpg.connect(admin_url)
    try:
        await raw.execute(f"select pg_advisory_lock({_MIGRATION_LOCK})")
        await install_queue(raw)
        await raw.execute(_LOGIN_SQL.format(login=LOGIN, password=login_password(master_key)))
        await raw.execute("update app.clock set movable = $1", clock_movable)
    finally:
        await raw.close()


async def migration_state(admin_url: str, packages: Sequence[str]) -> MigrationState:
    """What is applied and what is not; touches nothing."""
    engine = create_async_engine(_alchemy_url(admin_url), poolclass=pool.NullPool)
    try:
        async with engine.connect() as connection:
            applied = await connection.run_sync(
                lambda sync: MigrationContext.configure(sync).get_current_heads()
            )
    finally:
        await engine.dispose()
    return MigrationState(tuple(applied), missing_heads(tuple(applied), tuple(packages)))


@lru_cache(maxsize=8)
def missing_heads(applied: tuple[str, ...], packages: tuple[str, ...]) -> tuple[str, ...]:
    """The heads this code knows beyond what the database's `alembic_version` holds."""
    script = ScriptDirectory.from_config(_config(packages))
    # A head that another one depends on is not listed as applied by itself.
    held = {revision.revision for revision in script.get_all_current(applied)}
    return tuple(head for head in script.get_heads() if head not in held)


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
    folders = [Path(__file__).parent / "migrations"]
    for package in packages:
        folder = Path(str(resources.files(package))) / "migrations"
        if folder.is_dir():
            folders.append(folder)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", os.pathsep.join(map(str, folders)))
    return config


def _alchemy_url(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(scheme="postgresql+asyncpg"))


async def _require_version(server_version_num: str | None) -> None:
    if int(server_version_num or 0) // 10000 < OLDEST_POSTGRES:
        raise DatabaseTooOld(
            f"DATABASE_URL leads to PostgreSQL {int(server_version_num or 0) // 10000}; "
            f"MentalSpace needs {OLDEST_POSTGRES} or later"
        )
