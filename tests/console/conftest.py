"""The console on a stage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import MASTER_KEY
from tests.console.stage import Owner, Stage, on_stage


@pytest.fixture
async def stage(admin: Owner, admin_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    await _speak_json(admin)
    async with on_stage(admin, admin_url, MASTER_KEY, tmp_path) as ready:
        yield ready


async def _speak_json(owner: Owner) -> None:
    import json

    await owner.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    assert isinstance(owner, asyncpg.Connection)
