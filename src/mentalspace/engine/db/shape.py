"""Whether a database has today's shape, told in one query and without loading Alembic."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path

import asyncpg

from mentalspace.engine.db.pool import Connection


def migration_folders(packages: Sequence[str]) -> list[Path]:
    """The engine's migrations, and those of each package that has some."""
    folders = [Path(__file__).parent / "migrations"]
    folders += [Path(str(resources.files(package))) / "migrations" for package in packages]
    return [folder for folder in folders if folder.is_dir()]


@lru_cache(maxsize=8)
def shape_of(packages: tuple[str, ...]) -> str:
    """A digest of everything that makes the database what it is: the migrations, the queue."""
    digest = hashlib.sha256(metadata.version("pgqueuer").encode())
    for folder in migration_folders(packages):
        for path in sorted(folder.glob("*.*")):
            if path.suffix in (".py", ".sql"):
                digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


async def installed_shape(
    connection: Connection | asyncpg.Connection[asyncpg.Record],
) -> str | None:
    """What the last migration left behind; None where there was none."""
    if not await connection.fetchval("select to_regclass('app.installed') is not null"):
        return None
    shape: str | None = await connection.fetchval("select shape from app.installed")
    return shape


async def is_current(
    admin_url: str, login_url: str, packages: tuple[str, ...], *, clock_movable: bool
) -> bool:
    """Whether a migration would change nothing: shape, log-in and clock are as they should be."""
    owner = await asyncpg.connect(admin_url)
    try:
        if await installed_shape(owner) != shape_of(packages):
            return False
        if await owner.fetchval("select movable from app.clock") != clock_movable:
            return False
    finally:
        await owner.close()
    try:
        await (await asyncpg.connect(login_url)).close()
    except asyncpg.InvalidAuthorizationSpecificationError:
        return False  # another master key: the log-in's password follows it
    return True
