"""The engine's tests work a toy provider's lanes by hand, one turn at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from mentalspace.engine.db import Database
from mentalspace.engine.secrets import Vault
from tests.engine.books import books
from tests.engine.desk import Desk, open_desk
from tests.engine.toy import Bench, open_bench

__all__ = ["books"]


@pytest.fixture
async def bench(
    admin: asyncpg.Connection[Any], database: Database, vault: Vault, database_url: str
) -> AsyncIterator[Bench]:
    async with open_bench(admin, database, vault, database_url) as opened:
        yield opened


@pytest.fixture
async def desk(bench: Bench) -> AsyncIterator[Desk]:
    async with open_desk(bench) as opened:
        yield opened
