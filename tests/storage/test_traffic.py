"""What goes in and out is counted, once, by bucket and by nobody's name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from mentalspace.integrations.storage.store.transfers import fold
from tests.house import until
from tests.storage.conftest import PDF, PNG, Surface

BUCKET = "client-documents"


@pytest.fixture(autouse=True)
async def nothing_yet(surface: Surface) -> None:
    await asyncio.sleep(0.2)  # what the test before read last is counted after it was read
    await surface.admin.execute("delete from storage.transfer")
    await surface.admin.execute("delete from storage.traffic")


async def _moved(surface: Surface) -> list[tuple[Any, ...]]:
    rows = await surface.admin.fetch(
        "select way, outcome, fault, bucket_id, number, size_bytes from storage.moved"
        " where practice_id = $1 order by way desc, outcome, bucket_id, size_bytes desc",
        surface.lakeside,
    )
    return [tuple(row) for row in rows]


async def test_an_upload_and_its_downloads_are_counted(surface: Surface) -> None:
    """In whole, in part, and by a link; a look at its headers carries nothing."""
    place = f"{BUCKET}/{surface.alma}/counted.png"
    assert (await surface.put(place, PNG)).http == 200
    await surface.call("HEAD", f"/object/{place}")
    await surface.call("GET", f"/object/{place}")
    await surface.call("GET", f"/object/{place}", headers={"Range": "bytes=0-9"})
    signed = await surface.call("POST", f"/object/sign/{place}", {})
    await surface.call("GET", signed.body["signedURL"], who=None)
    await until(lambda: _has(surface, 4))
    assert await _moved(surface) == [
        ("up", "done", "none", BUCKET, 1, len(PNG)),
        *[("down", "done", "none", BUCKET, 1, size) for size in (len(PNG), len(PNG), 10)],
    ]


async def test_what_is_refused_is_counted_by_its_code(surface: Surface) -> None:
    """And under no bucket that the practice does not have: what was written may be anything."""
    place = f"{surface.alma}/refused.pdf"
    await surface.put(f"{BUCKET}/{place}", PDF, who="biller")
    await surface.put(f"{BUCKET}/{place}", PDF, content_type="text/html")
    await surface.put(f"Alma-Lake/{place}", PDF)
    await surface.call("GET", f"/object/{BUCKET}/{place}")
    assert await _moved(surface) == [
        ("up", "AccessDenied", "asker", BUCKET, 1, 0),
        ("up", "InvalidMimeType", "asker", BUCKET, 1, 0),
        ("up", "NoSuchBucket", "asker", "", 1, 0),
        ("down", "NoSuchKey", "asker", BUCKET, 1, 0),
    ]


async def test_a_line_that_ends_is_counted_with_what_came(surface: Surface) -> None:
    """Up or down, and it is neither the asker's fault nor ours."""

    async def half() -> AsyncIterator[bytes]:
        yield PDF
        await asyncio.sleep(0.2)
        raise ConnectionResetError

    with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
        await surface.call(
            "POST",
            f"/object/{BUCKET}/{surface.alma}/cut-line.pdf",
            data=half(),
            headers={"content-type": "application/pdf"},
        )
    await until(lambda: _has(surface, 1))
    assert await _moved(surface) == [("up", "cut", "line", BUCKET, 1, len(PDF))]
    place, long = f"{BUCKET}/{surface.alma}/long.pdf", PDF * 20_000
    assert (await surface.put(place, long)).http == 200
    asked = {"Authorization": f"Bearer {surface.token()}"}
    async with surface.http.get(f"{surface.base}/object/{place}", headers=asked) as answer:
        await answer.content.readexactly(1000)
        answer.close()
    await until(lambda: _has(surface, 3))
    way, outcome, fault, _bucket, _number, size = (await _moved(surface))[-1]
    assert (way, outcome, fault) == ("down", "cut", "line")
    assert 0 < size < len(long)


async def test_hours_say_what_their_lines_said(surface: Surface) -> None:
    """Lines become hours once, whoever folds how often; a view has each of them in one place."""
    place = f"{BUCKET}/{surface.alma}/folded"
    for number in range(3):
        await surface.put(f"{place}-{number}.pdf", PDF)
    database = surface.services.database
    await asyncio.gather(*(fold(database, kept_apart_s=-1) for _ in range(3)))
    assert await _moved(surface) == [("up", "done", "none", BUCKET, 3, 3 * len(PDF))]
    await surface.put(f"{place}-4.pdf", PDF)
    assert sum(row[4] for row in await _moved(surface)) == 4
    await fold(database, kept_apart_s=-1)
    assert await _moved(surface) == [("up", "done", "none", BUCKET, 4, 4 * len(PDF))]
    assert await surface.admin.fetchval("select count(*) from storage.transfer") == 0


async def _has(surface: Surface, number: int) -> bool:
    return sum(int(row[4]) for row in await _moved(surface)) == number
