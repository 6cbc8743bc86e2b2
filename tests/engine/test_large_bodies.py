"""Large bodies on the way out and back: a piece at a time, whole, and never in memory."""

from __future__ import annotations

import asyncio
import hashlib
import tracemalloc
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from mentalspace.engine.outbound import DeadlinedHttp, open_client
from mentalspace.kernel.errors import ProviderError

PIECE = bytes(range(256)) * 512
PIECES = 240
SIZE = len(PIECE) * PIECES
WHOLE = hashlib.sha256(PIECE * PIECES).hexdigest()


class Store:
    """Hashes what it is given, and gives as much back."""

    def __init__(self) -> None:
        self.lengths: list[int | None] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.lengths.append(request.content_length)
        digest = hashlib.sha256()
        async for piece in request.content.iter_chunked(65_536):
            digest.update(piece)
        return web.Response(text=digest.hexdigest())

    async def give(self, request: web.Request) -> web.StreamResponse:
        if "no" in request.query:
            return web.Response(status=404, text="none")
        answer = web.StreamResponse()
        answer.content_length = SIZE
        await answer.prepare(request)
        for number in range(PIECES):
            if "cut" in request.query and number == 2:
                assert request.transport is not None
                request.transport.abort()
                break
            await answer.write(PIECE)
        return answer


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    found = Store()
    app = web.Application(client_max_size=2 * SIZE)
    app.router.add_post("/", found.take)
    app.router.add_get("/", found.give)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield found
    await runner.cleanup()


async def _pieces() -> AsyncIterator[bytes]:
    for _ in range(PIECES):
        yield PIECE


async def test_thirty_megabytes_pass_with_a_tenth_at_hand(store: Store) -> None:
    """Out under the length that was told, and back into whatever takes the pieces."""
    digest = hashlib.sha256()
    async with open_client(live=False) as client:
        http = DeadlinedHttp(client, 20.0)
        tracemalloc.start()
        try:
            headers = {"Content-Length": str(SIZE)}
            told = await http.request("POST", store.url, headers=headers, body=_pieces())
            back = await http.request("GET", store.url, headers={}, into=digest.update)
            _now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert told.body.decode() == WHOLE
    assert store.lengths == [SIZE]
    assert (back.http, back.body, digest.hexdigest()) == (200, b"", WHOLE)
    assert peak < SIZE / 10


async def test_only_a_success_is_handed_on(store: Store) -> None:
    """A refusal's body is kept as ever: it says why."""
    got: list[bytes] = []
    async with open_client(live=False) as client:
        http = DeadlinedHttp(client, 5.0)
        answer = await http.request("GET", f"{store.url}?no", headers={}, into=got.append)
    assert (answer.http, answer.body, got) == (404, b"none", [])


async def test_a_body_that_is_cut_off_is_no_answer(store: Store) -> None:
    """Whatever was handed on already, its taker is told that it is not whole."""
    async with open_client(live=False) as client:
        http = DeadlinedHttp(client, 5.0)
        with pytest.raises(ProviderError) as raised:
            await http.request("GET", f"{store.url}?cut", headers={}, into=lambda _piece: None)
    assert raised.value.evidence.kind == "reset"


async def test_one_deadline_holds_for_a_body_that_drags(store: Store) -> None:
    """However slowly the pieces come, the attempt ends in time."""

    async def dragging() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.05)

    async with open_client(live=False) as client:
        headers = {"Content-Length": "1000000"}
        with pytest.raises(ProviderError) as raised:
            await DeadlinedHttp(client, 0.3).request(
                "POST", store.url, headers=headers, body=dragging()
            )
    assert raised.value.evidence.kind == "timeout"
