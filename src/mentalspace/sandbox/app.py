"""One process: emulators under `/<room>/<provider>` of one port or on their own, with controls."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from mentalspace.emulator.http import EmulatorApp
from mentalspace.emulator.transports import Transports
from mentalspace.sandbox.control import create_control
from mentalspace.sandbox.guard import Guard
from mentalspace.sandbox.outside import status_routes
from mentalspace.sandbox.pages import Pages
from mentalspace.sandbox.world import World, open_world

HOST = "127.0.0.1"
WEB = Path(__file__).parent / "web"


def create_app(world: World, transports: Transports, port: int = 0) -> Starlette:
    """The ASGI application, to be served on `port`.

    While its lifespan lasts it sends webhooks and keeps the listeners' ports open; it ends with
    the state.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        hooks = asyncio.create_task(world.kit.hooks.run(), name="webhooks")
        try:
            await world.open(HOST, port)
            yield
        finally:
            hooks.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await hooks
            await world.close()

    control = create_control(world)
    pages = Pages(world, control)
    guarded = [
        Route(route.path, Guard(route.app), methods=sorted(route.methods or ()))
        for route in pages.routes()
        if isinstance(route, Route)
    ]
    return Starlette(
        lifespan=lifespan,
        routes=[
            *(
                Mount(f"/{e.room}/{e.provider}", EmulatorApp(world.kit, e, transports))
                for e in world.emulators
            ),
            Mount("/_web", Guard(StaticFiles(directory=WEB))),
            *(route for route in guarded if not route.path.startswith("/{room}")),
            *status_routes(world),
            Mount("/pager", EmulatorApp(world.kit, world.pager, transports)),
            Mount("/pagerduty", EmulatorApp(world.kit, world.pagerduty, transports)),
            Mount("/_control", Guard(control)),
            *(route for route in guarded if route.path.startswith("/{room}")),
        ],
    )


def run_sandbox(
    rooms: Sequence[str] | None,
    port: int,
    state_dir: Path,
    *,
    site_url: str | None = None,
    seed: int = 0,
) -> None:
    """Serve until SIGINT or SIGTERM. Needs no database.

    `rooms` None plays all of them. Raises Refused for an unknown room, or when another process
    holds `state_dir`.
    """
    transports = Transports()
    world = open_world(state_dir, rooms=rooms, seed=seed, site_url=site_url)
    server_of(create_app(world, transports, port), port, transports).run()


def server_of(app: Starlette, port: int, transports: Transports) -> uvicorn.Server:
    """A server on loopback whose connections faults can reach."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=HOST,
            port=port,
            http=transports.protocol(),
            access_log=False,
            log_config=None,  # whoever runs it decides what a log may say
            log_level="warning",
            server_header=False,
            date_header=False,  # providers date their answers by the sandbox's clock
            proxy_headers=False,
            timeout_graceful_shutdown=1,
            backlog=2048,
        )
    )
