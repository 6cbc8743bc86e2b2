"""Lists of very many objects, by Supabase's own client, beside an S3 server in the same run."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
from storage3 import SyncStorageClient

from benchmarks.figure import Figure, percentile
from benchmarks.meter import load
from benchmarks.stage import Stage, listens, until
from tests.house import free_ports

PAGE = 100
ROUNDS = 20
FOLDER = "many"

_FILL = """
insert into storage.file (practice_id, bucket_id, name, version, metadata)
select $1, $2, $3 || '/' || lpad(n::text, 8, '0'), gen_random_uuid()::text,
       jsonb_build_object('size', 1000, 'mimetype', 'application/pdf', 'eTag', '"0"',
                          'cacheControl', 'no-cache', 'contentLength', 1000)
  from generate_series(1, $4::int) as n
"""


async def measure_lists(
    stage: Stage, headers: dict[str, str], bucket: str, objects: int
) -> list[Figure]:
    """Milliseconds a page of a hundred: the first, and one far behind."""
    await stage.owner(_FILL, stage.practice_id, bucket, FOLDER, objects)
    await stage.owner("analyze storage.file")
    sent = {name: value for name, value in headers.items() if name != "Content-Type"}
    ours = await asyncio.to_thread(_ask_ours, stage, sent, bucket, objects)
    async with _peer(objects) as url:
        theirs = await asyncio.to_thread(_ask_s3, url, objects)
    return [
        Figure(
            f"list of {objects:,}: {which} page", percentile(times, 0.5), "ms",
            "moto, list-objects-v2", percentile(peer, 0.5),
            less_is_better=True, note=f"p95 {percentile(times, 0.95):.1f}; {load()}",
        )
        for (which, times), peer in zip(ours.items(), (*theirs, *theirs), strict=True)
    ]  # fmt: skip


def _ask_ours(
    stage: Stage, headers: dict[str, str], bucket: str, objects: int
) -> dict[str, list[float]]:
    """By offset, which is Supabase's first way, and by cursor, which is its second."""
    base = f"http://127.0.0.1:{stage.services.settings.port}/storage/v1/"
    with httpx.Client(timeout=60) as http:
        files = SyncStorageClient(base, headers, http_client=http).from_(bucket)

        def by_offset(offset: int) -> None:
            found = files.list(FOLDER, {"limit": PAGE, "offset": offset})
            assert len(found) == PAGE, len(found)

        def by_cursor(cursor: str | None) -> str:
            options: Any = {"prefix": f"{FOLDER}/", "limit": PAGE}
            found: Any = files.list_v2(options | ({"cursor": cursor} if cursor else {}))
            assert len(found.objects) == PAGE, found
            return str(found.nextCursor)

        far = _far(by_cursor, objects)
        return {
            "first": _time(lambda: by_offset(0)),
            "last": _time(lambda: by_offset(objects - PAGE)),
            "first by cursor,": _time(lambda: by_cursor(None)),
            "last by cursor,": _time(lambda: by_cursor(far)),
        }


def _far(page: Callable[[str | None], str], objects: int) -> str:
    """The cursor before the last page but one, made as the server would have."""
    assert page(None)
    after = f"{FOLDER}/{objects - 2 * PAGE:08}"
    return base64.urlsafe_b64encode(json.dumps({"after": after}).encode()).decode()


def _time(page: Callable[[], object]) -> list[float]:
    page()
    took = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        page()
        took.append((time.monotonic() - began) * 1000)
    return took


# The peer ---------------------------------------------------------------------------------------


def _ask_s3(bucket_url: str, objects: int) -> list[list[float]]:
    """Plain requests: it checks no signature, and its answer is parsed by nobody, to its favour."""
    with httpx.Client(timeout=60) as http:

        def page(after: str) -> None:
            asked = {"list-type": "2", "prefix": FOLDER, "max-keys": str(PAGE)}
            found = http.get(bucket_url, params=asked | ({"start-after": after} if after else {}))
            assert found.text.count("<Key>") == PAGE, found.text[:200]

        far = f"{FOLDER}/{objects - PAGE:08}"
        return [_time(lambda: page("")), _time(lambda: page(far))]


@asynccontextmanager
async def _peer(objects: int) -> AsyncIterator[str]:
    port, bucket = free_ports(), f"bench-{uuid4().hex[:8]}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.peer_s3", bucket, FOLDER, str(objects), str(port)
    )
    try:
        await until(lambda: listens(port), 180, 0.2)
        yield f"http://127.0.0.1:{port}/{bucket}"
    finally:
        process.terminate()
        await process.wait()
