"""The one way out: one deadline for everything, no redirects, nothing off this machine unasked."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import uvicorn
from aiohttp import web

from mentalspace.emulator.proxy import FaultProxy, Weather
from mentalspace.engine.outbound import KEPT_S, DeadlinedHttp, open_client, retry_after_s
from mentalspace.kernel.errors import ProviderError, Refused
from tests.engine.toy import ToyServer, toy_server

HEADERS = {"Idempotency-Key": "k"}


@pytest.fixture
async def server() -> AsyncIterator[ToyServer]:
    async with toy_server() as opened:
        yield opened


@pytest.mark.alone
@pytest.mark.parametrize(
    ("weather", "kind"),
    [
        (Weather("drip", latency_s=0.05), "timeout"),
        (Weather("hang", after_bytes=20), "timeout"),
        (Weather("hang"), "timeout"),
        (Weather("latency", latency_s=5), "timeout"),
        (Weather("reset", after_bytes=20), "reset"),
        (Weather("reset"), "reset"),
        (Weather("truncate", after_bytes=165), "reset"),
        (Weather("truncate"), "reset"),
    ],
)
async def test_no_answer_is_evidence_within_the_deadline(
    server: ToyServer, weather: Weather, kind: str
) -> None:
    """However an answer is dripped, swallowed or cut, the call ends in time and says which."""
    async with FaultProxy("127.0.0.1", server.port) as proxy, open_client(live=False) as client:
        proxy.weather = weather
        began = time.monotonic()
        with pytest.raises(ProviderError) as raised:
            await DeadlinedHttp(client, 0.6).request(
                "POST", f"http://127.0.0.1:{proxy.port}/send", headers=HEADERS, body=b"{}"
            )
        assert time.monotonic() - began < 1.2
    assert raised.value.evidence.kind == kind
    assert len(server.sends()) == 1, "it had left: the outcome is unknown"


async def test_a_closed_port_is_known_not_to_have_been_reached() -> None:
    """A connection that never opened is evidence of its own: nothing can have been sent."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        async with open_client(live=False) as client:
            with pytest.raises(ProviderError) as raised:
                await client.request("POST", url, headers={}, body=b"", deadline_s=2)
    assert raised.value.evidence.kind == "connect"


async def test_an_idle_connection_is_left_before_the_server_leaves_it() -> None:
    """A server that closes idle connections just as a request comes answers nothing; ours are given
    up sooner. Without that the second request meets the closing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One answer a connection; whatever else comes over it meets its end."""
        opened.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await reader.read(1)
        writer.close()

    opened: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    kept_s = 0.1
    async with server, open_client(live=False, kept_s=kept_s) as client:
        for _ in range(2):
            answer = await client.request("POST", url, headers={}, body=b"", deadline_s=5)
            assert answer.body == b"ok"
            await asyncio.sleep(kept_s * 3)
    assert len(opened) == 2
    assert uvicorn.Config("").timeout_keep_alive - 2 >= KEPT_S, "with room for a busy machine"


async def test_another_protocol_goes_the_same_way_out(server: ToyServer) -> None:
    """A bare connection opens to this machine, says when it cannot, and goes nowhere else."""
    async with open_client(live=False) as client:
        with await client.dial("localhost", server.port) as connection:
            assert connection.getpeername()[1] == server.port
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            with pytest.raises(ProviderError) as raised:
                await client.dial("127.0.0.1", unused.getsockname()[1])
        assert raised.value.evidence.kind == "connect"
        with pytest.raises(Refused, match="nothing leaves"):
            await DeadlinedHttp(client, 1).dial("192.0.2.1", 25)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.resend.com/emails",
        "http://192.0.2.1/",
        "http://127.0.0.1.evil.example/",
        "http://127.0.0.1@evil.example/",
        "http://evil.example/#@127.0.0.1",
    ],
)
async def test_nothing_leaves_the_machine_without_live_credentials(url: str) -> None:
    """Without live credentials any other host is refused before a name is even looked up."""
    async with open_client(live=False) as client:
        with pytest.raises(Refused) as refused:
            await client.request("POST", url, headers={}, body=b"private", deadline_s=2)
    assert refused.value.code == "not_live"


@pytest.mark.parametrize("url", ["http://evil.example\\@127.0.0.1/", "http://[::1/", "http:///x"])
@pytest.mark.parametrize("live", [True, False])
async def test_what_is_no_address_was_never_reached(url: str, live: bool) -> None:
    """An address nobody can read the same way twice is not called: nothing can have been sent."""
    async with open_client(live=live) as client:
        with pytest.raises((ProviderError, Refused)) as raised:
            await client.request("POST", url, headers={}, body=b"", deadline_s=2)
    if isinstance(raised.value, ProviderError):
        assert raised.value.evidence.kind == "connect"


@pytest.mark.parametrize("http", [301, 302, 307, 308])
async def test_redirects_are_answers_and_not_followed(server: ToyServer, http: int) -> None:
    """A redirect is handed back as it is: a body with a person in it goes nowhere else."""
    seen: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(status=http, headers={"Location": "/other"})

    async def other(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response()

    application = web.Application()
    application.add_routes([web.post("/first", redirect), web.route("*", "/other", other)])
    runner = web.AppRunner(application, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with open_client(live=False) as client:
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/first"
            answer = await client.request("POST", url, headers={}, body=b"", deadline_s=2)
    finally:
        await runner.cleanup()
    assert answer.http == http
    assert seen == ["/first"]


async def test_the_trace_travels_with_the_request(server: ToyServer) -> None:
    """An attempt's trace context is on its request, and header names come back in lower case."""
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    seen: list[str | None] = []

    async def look(request: web.Request) -> web.Response:
        seen.append(request.headers.get("traceparent"))
        return web.Response(headers={"X-Request-ID": "r-1"})

    application = web.Application()
    application.add_routes([web.get("/", look)])
    runner = web.AppRunner(application, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with open_client(live=False) as client:
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
            answer = await DeadlinedHttp(client, 2, trace).request("GET", url, headers={})
    finally:
        await runner.cleanup()
    assert seen == [trace]
    assert answer.headers["x-request-id"] == "r-1"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", None),
        ("9" * 400, 30 * 86400.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 30 * 86400.0),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("Mon, 23 Nov 2026 12:01:30 GMT", 90.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("Mon, 99 Nov 2026 11:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_its_forms(value: str | None, seconds: float | None) -> None:
    """Seconds or a date give seconds from now; nonsense and the past give nothing or none."""
    headers = {} if value is None else {"retry-after": value}
    assert retry_after_s(headers, datetime(2026, 11, 23, 12, tzinfo=UTC)) == seconds


async def test_cancelling_the_caller_cancels_the_call(server: ToyServer) -> None:
    """A call that is cancelled ends at once as cancelled, not as a provider's failure."""
    async with FaultProxy("127.0.0.1", server.port) as proxy, open_client(live=False) as client:
        proxy.weather = Weather("hang")
        url = f"http://127.0.0.1:{proxy.port}/send"
        call = asyncio.create_task(
            client.request("POST", url, headers=HEADERS, body=b"", deadline_s=30)
        )
        await server.arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
