"""An application that opens what it stands on when its server starts, and closes it at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from mentalspace.engine.db import CONNECTION_LOST
from mentalspace.engine.process import follow_clock, repeat
from mentalspace.engine.services import Services

Chore = Callable[[Services], tuple[float, Callable[[], Awaitable[object]]]]


class LazyApp:
    """An ASGI application whose services open at start-up, inside the server's own loop.

    `chores` are done beside it, each by its name, every so many seconds; `at_end` once, at the end.
    """

    def __init__(
        self,
        open_services: Callable[[], Any],
        make: Callable[[Services], Any],
        chores: Mapping[str, Chore],
        at_end: Callable[[Services], Awaitable[object]] | None = None,
    ) -> None:
        self._open_services = open_services
        self._make = make
        self._chores = chores
        self._at_end = at_end
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._app(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        stop = asyncio.Event()
        try:
            async with self._open_services() as services:
                async with asyncio.TaskGroup() as group:
                    self._app = self._make(services)
                    group.create_task(
                        repeat(
                            "clock",
                            0.5,
                            lambda: follow_clock(services.database, services.clock),
                            stop,
                        )
                    )
                    for name, chore in self._chores.items():
                        group.create_task(repeat(name, *chore(services), stop))
                    await send({"type": "lifespan.startup.complete"})
                    await receive()
                    stop.set()
                if self._at_end is not None:
                    with suppress(*CONNECTION_LOST):
                        await self._at_end(services)
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": type(error).__name__})
            raise
        await send({"type": "lifespan.shutdown.complete"})
