"""How far one gets towards an address, and what the doctor makes of it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mentalspace.engine.lately_found import LatelyFound
from mentalspace.engine.reach import Reach, reach, reaches_itself
from mentalspace.workflows.doctor.way_test import Target, WayTest, try_way
from tests.certificate import certificate_for

AT = datetime(2026, 11, 29, tzinfo=UTC)
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(talk: Talk, encrypted: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=encrypted)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def mute(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Takes what comes, and says nothing until the other end goes."""
    await reader.read()


async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    asked = (await reader.readuntil(b"\r\n\r\n")).decode()
    heard.append(asked)
    writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
    await writer.drain()


async def gone(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Hangs up at once."""


async def greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 relay ESMTP\r\n")
    await reader.read()


heard: list[str] = []


@pytest.mark.parametrize(
    ("scheme", "talk", "stops", "why"),
    [
        ("http", polite, None, ""),
        ("http", mute, "answer", "nothing within 0.3 s"),
        ("http", gone, "answer", "broken off"),
        ("http", greets, "answer", "what answers does not speak its protocol"),
        ("https", mute, "tls", "nothing within 0.3 s"),
        ("https", greets, "tls", "what answers does not speak TLS"),
        ("smtp", greets, None, ""),
        ("smtp", mute, "answer", "nothing within 0.3 s"),
    ],
)
async def test_one_is_told_at_which_step_it_ends(
    scheme: str, talk: Talk, stops: str | None, why: str
) -> None:
    async with server(talk) as port:
        found = await reach(
            f"{scheme}://127.0.0.1:{port}/root", live=False, within_s=0.3 if talk is mute else 5
        )
    assert (found.stops, found.why) == (stops, why)


async def test_it_asks_for_headers_alone_and_shows_no_credential() -> None:
    heard.clear()
    async with server(polite) as port:
        await reach(f"http://key:secret@127.0.0.1:{port}/sms/twilio", live=False)
    [asked] = heard
    assert asked.startswith("HEAD /sms/twilio HTTP/1.1\r\n")
    assert "secret" not in asked and "uthorization" not in asked


async def test_a_certificate_nobody_vouches_for_is_no_way(tmp_path: Path) -> None:
    """As of a proxy that reads along."""
    shown = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    shown.load_cert_chain(certificate_for(tmp_path, "127.0.0.1"))
    async with server(polite, shown) as port:
        found = await reach(f"https://127.0.0.1:{port}/", live=True)
    assert found.stops == "tls"
    assert "self-signed certificate" in found.why


async def test_a_closed_port_an_unknown_name_and_the_outside() -> None:
    """Without live credentials nothing beyond this machine is even looked up."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        refused = await reach(f"http://127.0.0.1:{port}/", live=False)
    assert (refused.stops, refused.why) == ("connection", "refused")
    assert (await reach("https://nowhere.invalid/", live=True)).stops == "name"
    outside = await reach("https://nowhere.invalid/", live=False)
    assert (outside.stops, outside.why.partition(" nothing")[0]) == (
        "connection",
        "without live credentials",
    )
    assert await reaches_itself()


async def test_the_way_is_tried_at_once_beside_whoever_answers() -> None:
    async with server(mute) as silent, server(polite) as well:
        urls = [f"http://127.0.0.1:{silent}/a", f"http://127.0.0.1:{silent}/b"]
        targets = [
            *(
                Target(name, url, False)
                for name, url in zip(("Resend", "Twilio"), urls, strict=True)
            ),
            Target("Supabase", f"http://127.0.0.1:{well}/", False),
        ]
        began = time.monotonic()
        tried = await try_way(targets, ("Resend", "Twilio"), AT)
        assert time.monotonic() - began < 3.0
    assert tried.words == (
        "connections open, but nothing answers (127.0.0.1: nothing within 2.5 s);"
        " Supabase is reached from here: it is not the whole way out"
    )
    assert tried.advice and "proxy" in tried.advice


def test_each_end_of_the_way_has_its_sentence() -> None:
    def told(*ends: Reach, others: tuple[tuple[str, Reach], ...] = (), itself: bool = True) -> str:
        named = list(zip(("Resend", "Twilio"), ends, strict=True))
        return WayTest(AT, named, others, itself).words

    dark = Reach("api.a.example", "name", "no name server answers")
    shut = Reach("api.b.example", "connection", "refused")
    well = Reach("api.c.example", None)
    assert told(dark, dark) == (
        "names do not resolve (api.a.example: no name server answers); this host reaches itself"
    )
    assert told(well, well).startswith("each of them is reached and answers now")
    assert told(dark, dark, others=(("Supabase", dark), ("SMTP relay", well))).endswith(
        "; nor is it otherwise with Supabase; SMTP relay is reached from here: it is not the whole"
        " way out"
    )
    assert told(dark, shut, others=(("Supabase", shut),)) == (
        "Resend: names do not resolve (api.a.example: no name server answers); Twilio: no"
        " connection opens (api.b.example: refused); nor is it otherwise with Supabase"
    )
    assert told(dark, dark, itself=False) == "this host opens no connection even to itself"


async def test_what_was_found_a_moment_ago_is_not_asked_again() -> None:
    """Two at once wait for the same; what was in vain is asked anew."""
    asked: list[int] = []

    async def find_out() -> int:
        asked.append(1)
        await asyncio.sleep(0.01)
        if len(asked) == 1:
            raise OSError("in vain")
        return len(asked)

    lately = LatelyFound()
    with pytest.raises(OSError, match="in vain"):
        await lately.find("a", 60, find_out)
    assert await asyncio.gather(*(lately.find("a", 60, find_out) for _ in range(3))) == [2, 2, 2]
    assert await lately.find("a", 0, find_out) == 3
