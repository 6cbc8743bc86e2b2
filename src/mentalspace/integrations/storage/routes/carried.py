"""Counts what a request carried, or did not: after its bytes, and never instead of its answer."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from mentalspace.engine.db import Database
from mentalspace.integrations.storage.disk.reading import FileDamaged
from mentalspace.integrations.storage.disk.thread import to_its_end
from mentalspace.integrations.storage.routes.answer import code_of
from mentalspace.integrations.storage.store.acting import Deed
from mentalspace.integrations.storage.store.transfers import Transfer, Way, count_apart


class Carried:
    """How much of a file has come so far, once there is somewhere for it to come to."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._size: Callable[[], int] = int

    def watch(self, size: Callable[[], int]) -> None:
        self._size = size

    @property
    def size(self) -> int:
        return self._size()

    @property
    def took_s(self) -> float:
        return time.monotonic() - self._began


@asynccontextmanager
async def counting_failure(
    database: Database,
    deed: Deed,
    way: Way,
    bucket: str,
    *,
    ends: Callable[[Exception], bool] = lambda _error: True,
) -> AsyncIterator[Carried]:
    """Counts what is refused or cut within it; what succeeds is counted by whoever keeps it, and
    what `ends` says no to may succeed yet."""
    carried = Carried()
    try:
        yield carried
    except Exception as error:
        if ends(error):
            outcome, fault = code_of(error)
            transfer = Transfer(way, bucket, carried.size, carried.took_s, outcome, fault)
            await _surely(database, deed, transfer)
        raise


class Given(StreamingResponse):
    """A file on its way out. When all of it has left, or its line has ended, it is counted."""

    def count_for(self, database: Database, deed: Deed, bucket: str, size_bytes: int) -> Given:
        self._whose = (database, deed, bucket)
        self._size_bytes = size_bytes
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        database, deed, bucket = self._whose
        carried, left = Carried(), 0

        async def counted(message: Any) -> None:
            nonlocal left
            await send(message)
            left += len(message.get("body", b""))

        transfer = Transfer("down", bucket, 0, 0.0, "cut", "line")
        try:
            await super().__call__(scope, receive, counted)
            if left == self._size_bytes:
                transfer = Transfer("down", bucket, 0, 0.0)
        except FileDamaged:
            transfer = Transfer("down", bucket, 0, 0.0, "damaged", "ours")
            raise
        finally:
            told = replace(transfer, size_bytes=left, took_s=carried.took_s)
            await _surely(database, deed, told)


async def _surely(database: Database, deed: Deed, transfer: Transfer) -> None:
    """Even for a request that is being cancelled, because its line has ended."""
    if deed.person.practice_id is None:
        return
    await to_its_end(count_apart(database, deed.person.practice_id, transfer))
