"""A headless Chromium, as the system has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

from tests.system_packages import find_browser

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@asynccontextmanager
async def headless() -> AsyncIterator[Browser]:
    """Open until the end. It may run as root, and calls nobody of its own accord."""
    path = find_browser()
    assert path is not None, "no Chromium here: tests/system_packages.py installs one"
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield opened
        finally:
            await opened.close()
