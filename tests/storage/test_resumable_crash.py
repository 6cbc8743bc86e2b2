"""The API is killed while an upload comes in: what is told afterwards is what is really there."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from tests.conftest import MASTER_KEY
from tests.house import free_ports, until
from tests.storage.conftest import Surface
from tests.storage.test_resumable import BUCKET, LARGE, PLACE, Pieces, b64, kept, lying

# The API without the console's pages, which take a while to load.
_RUNS = """
import asyncio, os, uvicorn
from mentalspace.api import create_app
from mentalspace.main import MentalSpace

async def run():
    house = MentalSpace(os.environ)
    async with house.open_services(pool_size=2) as services:
        port = house.settings.port
        config = uvicorn.Config(create_app(services), host="127.0.0.1", port=port, log_config=None)
        await uvicorn.Server(config).serve()

asyncio.run(run())
"""


@asynccontextmanager
async def another_api(surface: Surface) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """A process of its own over the same database and the same disk."""
    settings, port = surface.services.settings, free_ports()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _RUNS,
        env={
            "PATH": os.environ["PATH"],
            "MENTALSPACE_HOME": str(settings.home),
            "MENTALSPACE_PORT": str(port),
            "MENTALSPACE_MASTER_KEY": base64.urlsafe_b64encode(MASTER_KEY).decode(),
            "DATABASE_URL": settings.database_url or "",
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}/storage/v1", process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_killed_while_it_writes(surface: Surface) -> None:
    """SIGKILL in the middle of a PATCH, whose line goes on sending: whichever process is asked
    next tells exactly what lies on the disk, the rest goes there, and every byte is right."""
    name = f"{surface.alma}/killed.pdf"
    headers = {
        "Authorization": f"Bearer {surface.token()}",
        "Tus-Resumable": "1.0.0",
    }
    said = {"bucketName": BUCKET, "objectName": name, "contentType": "application/pdf"}
    begin = {
        "Upload-Length": str(len(LARGE)),
        "Upload-Metadata": ",".join(f"{key} {b64(value)}" for key, value in said.items()),
    }
    async with another_api(surface) as (base, process):

        async def begun() -> str | None:
            try:
                async with surface.http.post(base + PLACE, headers={**headers, **begin}) as answer:
                    return answer.headers["location"]
            except aiohttp.ClientConnectionError:
                return None

        location = await until(begun)
        upload_id = await surface.admin.fetchval(
            "select id from storage.upload where name = $1", name
        )
        path = surface.partials.place(upload_id)

        async def body() -> AsyncIterator[bytes]:
            yield LARGE[:100_000]
            for start in range(100_000, 2_500_000, 100_000):
                yield LARGE[start : start + 100_000]
            while path.stat().st_size <= 2_000_000:  # the line stays open, and then it is dead
                await asyncio.sleep(0.01)
            process.send_signal(signal.SIGKILL)  # once: it looks for an end that is another's
            await process.wait()
            yield LARGE[2_500_000:]

        try:
            async with surface.http.patch(
                base.removesuffix("/storage/v1") + location,
                data=body(),
                headers={
                    **headers,
                    "Upload-Offset": "0",
                    "Content-Type": "application/offset+octet-stream",
                },
            ):
                raise AssertionError("a dead process answered")
        except aiohttp.ClientError:
            pass
        assert await asyncio.wait_for(process.wait(), 10) == -signal.SIGKILL
    pieces = Pieces(surface)
    looked = await pieces.look(location)
    offset = int(looked.headers["upload-offset"])
    assert 1_000_000 < offset <= 2_500_000
    async with lying(surface, name) as (growing, _path):
        assert growing.size == offset
        assert b"".join(growing.pieces()) == LARGE[:offset]
    assert bytes(range(16)) not in path.read_bytes()
    assert (await pieces.add(location, offset, LARGE[offset:])).http == 204
    found = await kept(surface, name)
    assert hashlib.sha256(found).digest() == hashlib.sha256(LARGE).digest()
