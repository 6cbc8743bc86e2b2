"""Brings a database to today's shape: roles, tables, the queue's own schema, the log-in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
from alembic import command, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from mentalspace.engine.queue import install_queue
from mentalspace.kernel.errors import MentalSpaceError

LOGIN = "mentalspace_login"
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
"""


class DatabaseTooOld(MentalSpaceError):
    pass


@dataclass(frozen=True, slots=True)
class MigrationState:
    """`missing` are the heads this code knows that the database does not have yet."""

    applied: tuple[str, ...]
    missing: tuple[str, ...]


def login_password(master_key: bytes) -> str:
    """The log-in role's password, the same on every host that holds the master key."""
    digest = hmac.new(master_key, b"mentalspace login role", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def login_url(admin_url: str, master_key: bytes) -> str:
    """The same server and database, as the role that owns nothing."""
    parts = urlsplit(admin_url)
    host = parts.netloc.rpartition("@")[2]
    credentials = f"{LOGIN}:{quote(login_password(master_key), safe='')}"
    return urlunsplit(parts._replace(netloc=f"{credentials}@{host}"))


def with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def ensure_database(admin_url: str, name: str) -> str:
    """The URL of database `name` on that server, created if it was missing."""
    connection = await asyncpg.connect(admin_url)
    try:
        if not await connection.fetchval("select 1 from pg_database where datname = $1", name):
            await connection.execute(f'create database "{name}"')
    except asyncpg.DuplicateDatabaseError:
        pass  # another start was quicker
    finally:
        await connection.close()
    return with_database(admin_url, name)


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
    script = ScriptDirectory.from_config(_config(packages))
    # A head that another one depends on is not listed as applied by itself.
    held = {revision.revision for revision in script.get_all_current(applied)}
    return MigrationState(tuple(applied), tuple(h for h in script.get_heads() if h not in held))


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
