"""The bare peer of a storage surface: uvicorn that streams a body to a disk, and a file back.

It asks nobody who they are, sums nothing, and writes nothing down; it syncs what it was given.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import uvicorn

_PIECE = 2**20


def _app(place: Path) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "POST":
            await _take(place, receive)
            await _begin(send, 0)
            await send({"type": "http.response.body", "body": b""})
            return
        with _open(place, "rb") as file:
            await _begin(send, os.fstat(file.fileno()).st_size)
            while piece := await asyncio.to_thread(file.read, _PIECE):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


def _open(place: Path, mode: str) -> Any:
    return place.open(mode, buffering=0)


async def _take(place: Path, receive: Any) -> None:
    held = bytearray()
    with _open(place, "wb") as file:
        while True:
            message = await receive()
            held += message.get("body", b"")
            more = message.get("more_body", False)
            if len(held) >= _PIECE or not more:
                await asyncio.to_thread(file.write, held)
                held = bytearray()
            if not more:
                await asyncio.to_thread(os.fsync, file.fileno())
                return


async def _begin(send: Any, size: int) -> None:
    headers = [(b"content-length", str(size).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


if __name__ == "__main__":
    uvicorn.run(_app(Path(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
