"""Many small writes as one: what comes while a few are under way goes with the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

# A round trip and a sync to disk are waited for, not worked on: a few may be under way at once.
AT_ONCE = 3
MOST = 100


class Together(Generic[T, R]):
    """`work` gets what has gathered, and gives for each, in order, its result or what to raise."""

    def __init__(self, work: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]]) -> None:
        self._work = work
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def __call__(self, item: T) -> R:
        """The item's own result. Raises what is its own, or what struck all that went with it."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if len(self._under_way) < AT_ONCE:
            task = asyncio.create_task(self._drain())
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return await future

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            results: Sequence[R | Exception]
            try:
                results = await self._work([item for item, _ in batch])
            except Exception as error:
                results = [error] * len(batch)
            for (_, future), result in zip(batch, results, strict=True):
                if future.done():  # whoever asked has gone
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)
