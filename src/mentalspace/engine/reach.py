"""How far one gets towards an address: its name, a connection, TLS, an answer; nothing is asked."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from functools import cache
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from mentalspace.engine.outbound import LOOPBACK, USER_AGENT, first_open

# All of it, from the name to the answer.
WITHIN_S = 2.5
_PORTS = {"http": 80, "https": 443}
# What getaddrinfo says of a name that there is not; else it could not ask.
_UNKNOWN = frozenset(
    code for name in ("EAI_NONAME", "EAI_NODATA") if (code := getattr(socket, name, None))
)

Step = Literal["name", "connection", "tls", "answer"]


@dataclass(frozen=True, slots=True)
class Reach:
    """`stops` is the step that one does not get past, None if an answer came; `why` says how it
    ended there, in a few words. `http` is the status of an answer over HTTP."""

    host: str
    stops: Step | None
    why: str = ""
    http: int | None = None


@dataclass(slots=True)
class _Walk:
    """Where one stands; whatever ends it ended there."""

    step: Step = "name"


async def reach(url: str, *, live: bool, within_s: float = WITHIN_S) -> Reach:
    """Never raises for what the network does. It sends no credential and asks for nothing but the
    headers of an address's root; of a mail server it awaits the greeting. Without live credentials
    it does not leave this machine."""
    target = urlsplit(url)
    host = target.hostname or ""
    if not live and host not in LOOPBACK:
        return Reach(host, "connection", "without live credentials nothing leaves this machine")
    walk = _Walk()
    try:
        async with asyncio.timeout(within_s):
            http = await _go(target, walk)
    except TimeoutError:
        return Reach(host, walk.step, f"nothing within {within_s:g} s")
    except ssl.SSLCertVerificationError as error:
        return Reach(host, walk.step, error.verify_message)
    except (OSError, EOFError, ValueError) as error:
        return Reach(host, walk.step, _plainly(error))
    return Reach(host, None, http=http)


async def reaches_itself() -> bool:
    """The control: whether this host opens a connection to itself."""

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    try:
        async with asyncio.timeout(1.0):
            server = await asyncio.start_server(greet, "127.0.0.1", 0)
            async with server:
                place = server.sockets[0].getsockname()
                _reader, writer = await asyncio.open_connection(*place)
                writer.transport.abort()
                return True
    except OSError:
        return False


async def _go(target: SplitResult, walk: _Walk) -> int | None:
    host = target.hostname or ""
    port = target.port or _PORTS.get(target.scheme, 443)
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    walk.step = "connection"
    opened = await first_open(found)
    encrypted = _trusting() if target.scheme.endswith("s") else None
    walk.step = "tls" if encrypted else "answer"
    try:
        reader, writer = await asyncio.open_connection(
            sock=opened, ssl=encrypted, server_hostname=host if encrypted else None
        )
    except BaseException:
        opened.close()
        raise
    walk.step = "answer"
    try:
        return await _hear(target, reader, writer)
    finally:
        writer.transport.abort()


async def _hear(
    target: SplitResult, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> int | None:
    """Whatever it answers, it was reached; what is not its protocol is somebody in between."""
    beginning = b"220"
    if target.scheme in _PORTS:
        beginning = b"HTTP/"
        writer.write(
            f"HEAD {target.path or '/'} HTTP/1.1\r\nHost: {target.netloc.rpartition('@')[2]}\r\n"
            f"User-Agent: {USER_AGENT}\r\nConnection: close\r\n\r\n".encode("ascii", "ignore")
        )
        await writer.drain()
    first = await reader.readline()
    if not first:
        raise EOFError("broken off")
    if not first.startswith(beginning):
        raise ValueError("what answers does not speak its protocol")
    words = first.split(maxsplit=2)
    return int(words[1]) if words[0].startswith(b"HTTP/") and len(words) > 1 else None


@cache
def _trusting() -> ssl.SSLContext:
    """Whom this host trusts: read once, for that takes a while."""
    return ssl.create_default_context()


def _plainly(error: Exception) -> str:
    """Without addresses, which change from day to day."""
    match error:
        case socket.gaierror():
            return "its name is not known" if error.errno in _UNKNOWN else "no name server answers"
        case ConnectionRefusedError():
            return "refused"
        case ConnectionResetError():
            return "broken off"
        case ssl.SSLError():
            return "what answers does not speak TLS"
        case OSError() if error.strerror:
            return error.strerror.lower()
    return str(error) or type(error).__name__
