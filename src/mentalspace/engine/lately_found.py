"""What was found out a moment ago, so that a page that refreshes does not ask again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class LatelyFound:
    """Of one process. Whoever asks while somebody finds out waits for the same."""

    def __init__(self) -> None:
        self._found: dict[Any, tuple[float, asyncio.Task[Any]]] = {}

    async def find(self, key: object, within_s: float, find_out: Callable[[], Awaitable[T]]) -> T:
        """What was found of `key` no longer ago than that, or is found now. One that was in vain is
        asked anew."""
        began, task = self._found.get(key, (0.0, None))
        fresh = task is not None and time.monotonic() - began < within_s
        if not fresh or task is None or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.ensure_future(_finding(find_out))
            self._found[key] = (time.monotonic(), task)
        # Whoever closes the page takes it from nobody else.
        found: T = await asyncio.shield(task)
        return found


async def _finding(find_out: Callable[[], Awaitable[T]]) -> T:
    return await find_out()
