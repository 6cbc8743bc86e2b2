"""Work on the disk beside the loop, and whatever else is never left behind half done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Like `asyncio.to_thread`, but a caller that is cancelled goes on only once the work is over:
    a file closed under a write could be another file by the time the write arrives."""
    return await to_its_end(asyncio.to_thread(work))


async def to_its_end(work: Awaitable[T]) -> T:
    """A caller that is cancelled goes on, as cancelled, only once the work is over."""
    working = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        while not working.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({working})
        if not working.cancelled():
            working.exception()
        raise
