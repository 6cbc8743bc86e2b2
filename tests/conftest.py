"""What tests stand on: a real PostgreSQL, a fresh database each, and a whole house on demand."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any, Literal, cast

import asyncpg
import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, settings
from playwright.async_api import Browser
from pytest_asyncio import is_async_test

from mentalspace.engine import postgres
from mentalspace.engine.db import Database, connect
from mentalspace.engine.db.migrate import ensure_database, login_url, migrate
from mentalspace.engine.log import configure_logs
from mentalspace.engine.secrets import Vault
from mentalspace.integrations import discover_rooms
from mentalspace.practice import password
from tests.browser import headless
from tests.databases import Databases, leave_alone, read_contents
from tests.house import House, running_house

MASTER_KEY = b"t" * 32
TEMPLATE = "mentalspace_template"

# The machine is shared: a slow draw says something of the neighbours, not of the test.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks for a database is a database test: it runs on PostgreSQL 18 and on 16."""
    session_loop = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if is_async_test(item):
            item.add_marker(session_loop, append=False)
        if "postgres_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.database)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a machine cannot run is left out there; in CI that is a failure."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"left out, and CI runs every test: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def logs() -> Iterator[Path]:
    """Logs of in-process parts go to a file that a test may read, not to the terminal."""
    with tempfile.NamedTemporaryFile("w", suffix=".log") as stream:
        configure_logs("test", cast(Any, stream))
        yield Path(stream.name)


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[pytest.MonkeyPatch]:
    """Most demos here are seeded for one question, and a real hash costs as much as a page. Undone
    by `passwords_at_their_price`; every program of ours pays it too."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(password, "_HASHER", cheap)
        patch.setattr(password, "_NOBODY", cheap.hash("nobody's password"))
        yield patch


@pytest.fixture
def passwords_at_their_price(cheap_passwords: pytest.MonkeyPatch) -> Iterator[None]:
    cheap = password._HASHER, password._NOBODY
    cheap_passwords.undo()
    yield
    for name, value in zip(("_HASHER", "_NOBODY"), cheap, strict=True):
        cheap_passwords.setattr(password, name, value)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server of our own, of the version under test, gone afterwards."""
    version = cast(Literal[16, 18], int(os.environ.get("MENTALSPACE_TEST_POSTGRES", "18")))
    with tempfile.TemporaryDirectory(prefix="mentalspace-test-") as home:
        try:
            yield postgres.ensure_running(Path(home), version=version).url
        finally:
            postgres.destroy(Path(home))


@pytest.fixture(scope="session")
async def databases(postgres_server: str) -> Databases:
    """Migrated databases, to be lent."""
    packages = ["mentalspace.practice", *(room.package for room in discover_rooms().values())]
    url = await ensure_database(postgres_server, TEMPLATE)
    await migrate(url, master_key=MASTER_KEY, packages=packages, clock_movable=True)
    await leave_alone(url)
    return Databases(postgres_server, TEMPLATE, await read_contents(url))


@pytest.fixture
async def admin_url(databases: Databases) -> AsyncIterator[str]:
    """The owner's URL of a migrated database that nobody has written to."""
    async with databases.lend() as url:
        yield url


@pytest.fixture
def database_url(admin_url: str) -> str:
    """The same database, as the role that owns nothing."""
    return login_url(admin_url, MASTER_KEY)


@pytest.fixture
async def admin(admin_url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """The owner's connection."""
    connection = await asyncpg.connect(
        admin_url, server_settings={"search_path": "app, pg_catalog, public"}
    )
    yield connection
    await connection.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with connect(database_url) as opened:
        yield opened


@pytest.fixture
def vault() -> Vault:
    return Vault(MASTER_KEY)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium; a context of it is a visitor of their own."""
    async with headless() as opened:
        yield opened


@pytest.fixture
async def house(admin_url: str, tmp_path: Path) -> AsyncIterator[House]:
    """API, worker and sandbox over one fresh database, seeded with the demo's practices."""
    async with running_house(admin_url, MASTER_KEY, tmp_path) as running:
        yield running
    await asyncio.sleep(0)
