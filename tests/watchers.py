"""Prometheus and Alertmanager as Debian ships them, run for a test on ports of ours."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.house import until
from tests.system_packages import find_unpacked


def program(name: str) -> Path:
    """Fails, saying what to run, if it is not there."""
    found = find_unpacked(name)
    assert found is not None, f"no {name} here: python tests/system_packages.py gets one"
    return found


def promtool(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("promtool"), *words], cwd=cwd, capture_output=True, text=True, check=False
    )


@asynccontextmanager
async def running(
    words: list[str], ready_url: str, home: Path, http: aiohttp.ClientSession
) -> AsyncIterator[None]:
    """It answers at `ready_url` while the block lasts; what it said is in `home`."""
    home.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240
    with (home / "said.log").open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *words, cwd=home, stdout=said, stderr=subprocess.STDOUT
        )
    try:
        await until(lambda: _answers(http, ready_url, process, home), within_s=15)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 10)


async def _answers(http: aiohttp.ClientSession, url: str, process: Any, home: Path) -> bool:
    assert process.returncode is None, (home / "said.log").read_text()[-2000:]
    try:
        async with http.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
