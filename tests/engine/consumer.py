"""A queue's consumer in a process of its own: says what it takes up, and finishes only `quick`."""

from __future__ import annotations

import asyncio
import sys

from mentalspace.engine.queue import run_queue


async def _take(payload: str) -> None:
    sys.stdout.write(f"{payload}\n")
    sys.stdout.flush()
    if payload != "quick":
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run_queue(sys.argv[1], {"lane": _take}, stop=asyncio.Event()))
