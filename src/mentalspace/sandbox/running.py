"""A sandbox inside the caller's own event loop, on a free port: for drills and tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from mentalspace.emulator.transports import Transports
from mentalspace.sandbox.app import create_app, server_of
from mentalspace.sandbox.world import World, open_world


@dataclass(frozen=True, slots=True)
class Running:
    """`url` has no slash at its end; a provider is at `url` + `/<room>/<provider>`."""

    url: str
    port: int
    world: World


class _Guest(uvicorn.Server):
    """A server that leaves the process's signals to its host."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def running_sandbox(
    state_dir: Path,
    *,
    rooms: Sequence[str] | None = None,
    site_url: str | None = None,
    seed: int = 0,
) -> AsyncIterator[Running]:
    """A sandbox that answers while the block lasts."""
    transports = Transports()
    world = open_world(state_dir, rooms=rooms, seed=seed, site_url=site_url)
    config = server_of(create_app(world, transports), 0, transports).config
    server = _Guest(config)
    serving = asyncio.create_task(server.serve(), name="sandbox")
    try:
        while not server.started:
            if serving.done():
                serving.result()
                raise RuntimeError("the sandbox stopped before it was ready")
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Running(f"http://127.0.0.1:{port}", port, world)
    finally:
        server.should_exit = True
        await serving
