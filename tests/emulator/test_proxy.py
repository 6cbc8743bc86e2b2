"""The fault proxy: what a client sees of each kind of bad network."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from mentalspace.emulator.proxy import FaultProxy, Weather


@pytest_asyncio.fixture(loop_scope="session")
async def proxy() -> AsyncIterator[FaultProxy]:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="x" * 100)

    async def take(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    app = web.Application()
    app.router.add_get("/", answer)
    app.router.add_post("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with FaultProxy("127.0.0.1", runner.addresses[0][1]) as found:
        yield found
    await runner.cleanup()


async def fetch(proxy: FaultProxy, within_s: float = 5.0) -> str:
    timeout = aiohttp.ClientTimeout(total=within_s)
    connector = aiohttp.TCPConnector(force_close=True)
    async with (
        aiohttp.ClientSession(timeout=timeout, connector=connector) as http,
        http.get(f"http://127.0.0.1:{proxy.port}/") as found,
    ):
        return await found.text()


async def test_fair_weather_changes_nothing(proxy: FaultProxy) -> None:
    """Without a toxin the answer comes through whole."""
    assert await fetch(proxy) == "x" * 100


async def test_latency_delays_the_answer(proxy: FaultProxy) -> None:
    """The answer is whole, but late."""
    proxy.weather = Weather("latency", latency_s=0.2)
    started = time.monotonic()
    assert await fetch(proxy) == "x" * 100
    assert time.monotonic() - started >= 0.2


async def test_reset_breaks_the_connection(proxy: FaultProxy) -> None:
    """The client sees a reset, not an orderly end."""
    proxy.weather = Weather("reset")
    with pytest.raises(aiohttp.ClientOSError):
        await fetch(proxy)


async def test_truncation_ends_the_body_early(proxy: FaultProxy) -> None:
    """The headers promise more than comes."""
    proxy.weather = Weather("truncate", after_bytes=200)
    with pytest.raises(aiohttp.ClientPayloadError):
        await fetch(proxy)


@pytest.mark.parametrize("toxin", ["drip", "hang"])
async def test_only_a_total_deadline_ends_a_drip_or_a_hang(proxy: FaultProxy, toxin: str) -> None:
    """Bytes that trickle, or never come, run into the client's total deadline."""
    proxy.weather = Weather("drip", latency_s=0.05) if toxin == "drip" else Weather("hang")
    with pytest.raises(TimeoutError):
        await fetch(proxy, within_s=0.4)


async def test_a_cut_ends_what_is_being_sent(proxy: FaultProxy) -> None:
    """A body that is longer does not arrive; a shorter one does."""
    proxy.weather = Weather("cut", after_bytes=100_000)
    url = f"http://127.0.0.1:{proxy.port}/"
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientError):
            await http.post(url, data=b"x" * 300_000)
        async with http.post(url, data=b"x" * 5_000) as whole:
            assert await whole.text() == "5000"
