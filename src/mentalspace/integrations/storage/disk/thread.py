"""Work on the disk beside the loop, and whatever else is never left behind half done.

In threads of its own: a disk or a bucket that hangs holds up files, and neither the check of a
password nor the look-up of an address, which wait in asyncio's few.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")

# As many as there are lines to a bucket; on a disk far fewer do anything at once.
THREADS = 32
# One for the process, and begun as they are needed. Whoever waits for work waits for its end, so
# that none is under way when the loop ends; Python then waits for the threads.
_POOL = ThreadPoolExecutor(THREADS, thread_name_prefix="files")


async def in_thread(work: Callable[[], T]) -> T:
    """Like `asyncio.to_thread`, but a caller that is cancelled goes on only once the work is over:
    a file closed under a write could be another file by the time the write arrives."""
    run = copy_context().run
    return await to_its_end(asyncio.get_running_loop().run_in_executor(_POOL, run, work))


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
