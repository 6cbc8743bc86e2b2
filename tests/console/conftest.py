"""The console on a stage, and a headless Chromium in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from playwright.async_api import Browser, async_playwright

from tests.conftest import MASTER_KEY
from tests.console.stage import Owner, Stage, on_stage

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
async def stage(admin: Owner, admin_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    await _speak_json(admin)
    async with on_stage(admin, admin_url, MASTER_KEY, tmp_path) as ready:
        yield ready


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        await opened.close()


async def _speak_json(owner: Owner) -> None:
    import json

    await owner.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    assert isinstance(owner, asyncpg.Connection)
