"""The one way out: a request under one total deadline, whose failure is evidence."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

import aiohttp
from yarl import URL

from mentalspace.kernel.errors import Evidence, ProviderError, Refused
from mentalspace.kernel.integration import Answer

_CONNECT_S = 5.0
# So long an idle connection is used again. Common servers close theirs after 5 s, and a request
# that meets the closing has no answer: nobody knows whether it was taken, and a text waits minutes.
# source: https://www.uvicorn.org/settings/#timeouts (5 s, as Apache and Node.js have it)
KEPT_S = 3.0
_LARGEST_ANSWER_BYTES = 10 * 1024 * 1024
_LONGEST_RETRY_AFTER_S = 30 * 86_400.0
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

USER_AGENT = "MentalSpace/0.1"

# A body, or its pieces; and what takes the pieces of an answer.
Body: TypeAlias = bytes | AsyncIterable[bytes]
Into: TypeAlias = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Client:
    """One connection pool; `live` says whether anything but this machine may be reached."""

    session: aiohttp.ClientSession
    live: bool

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: Body | None,
        deadline_s: float,
        into: Into | None = None,
    ) -> Answer:
        """The answer, of any status. Raises ProviderError(evidence) when there was none.

        The deadline is total: connecting, sending, waiting and reading. Raises Refused before
        anything leaves the machine without live credentials. `into` takes a success's body as it
        comes, however long; any other is kept, up to ten megabytes.
        """
        target = _parsed(url)
        self._stay_within(target.host)
        try:
            async with asyncio.timeout(deadline_s):
                named = {"User-Agent": USER_AGENT, **headers}
                return await self._exchange(method, target, named, body, into)
        except (
            aiohttp.ConnectionTimeoutError,
            aiohttp.ClientConnectorError,
            aiohttp.InvalidURL,
        ) as error:
            raise ProviderError(Evidence("connect", code=type(error).__name__)) from error
        except TimeoutError as error:
            raise ProviderError(Evidence("timeout")) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ProviderError(Evidence("reset", code=type(error).__name__)) from error

    async def dial(self, host: str, port: int) -> socket.socket:
        """A connection for what is not HTTP, under the same rule of who may be reached."""
        self._stay_within(host)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_S):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                return await first_open(found)
        except (TimeoutError, OSError) as error:
            raise ProviderError(Evidence("connect", code=type(error).__name__)) from error

    def _stay_within(self, host: str | None) -> None:
        if not self.live and host not in LOOPBACK:
            raise Refused("not_live", "without live credentials nothing leaves this machine")

    async def _exchange(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: Body | None,
        into: Into | None,
    ) -> Answer:
        async with self.session.request(
            method, url, headers=headers, data=body, allow_redirects=False
        ) as response:
            names = {name.lower(): value for name, value in response.headers.items()}
            if into is not None and 200 <= response.status < 300:
                async for piece in response.content.iter_any():
                    into(piece)
                return Answer(response.status, names, b"")
            content = await response.content.read(_LARGEST_ANSWER_BYTES)
            # `read(n)` may return early; the rest belongs to the same answer.
            while not response.content.at_eof() and len(content) < _LARGEST_ANSWER_BYTES:
                content += await response.content.read(_LARGEST_ANSWER_BYTES - len(content))
            return Answer(response.status, names, content)


@dataclass(frozen=True, slots=True)
class DeadlinedHttp:
    """A Client bound to one attempt's deadline and trace: what adapters are handed.

    The trace goes to our own sandbox only: what we call a request is nobody else's business.
    """

    client: Client
    deadline_s: float
    traceparent: str | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: Body | None = None,
        into: Into | None = None,
    ) -> Answer:
        told = self.traceparent if not self.client.live else None
        traced = {"traceparent": told} if told else {}
        return await self.client.request(
            method,
            url,
            headers={**traced, **headers},
            body=body,
            deadline_s=self.deadline_s,
            into=into,
        )

    async def dial(self, host: str, port: int) -> socket.socket:
        return await self.client.dial(host, port)


@asynccontextmanager
async def open_client(*, live: bool, kept_s: float = KEPT_S) -> AsyncIterator[Client]:
    """A pooled session without redirects, cookies or proxies; a connection idle for longer than
    `kept_s` is not used again."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)
    connector = aiohttp.TCPConnector(limit=100, keepalive_timeout=kept_s)
    async with aiohttp.ClientSession(
        timeout=timeout,
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=True,
        trust_env=False,
    ) as session:
        yield Client(session, live)


async def first_open(found: list[tuple[Any, ...]]) -> socket.socket:
    """Of a name's addresses, the first that takes a connection. Raises the last one's OSError."""
    loop, failure = asyncio.get_running_loop(), OSError("the name has no address")
    for family, kind, protocol, _name, address in found:
        connection = socket.socket(family, kind, protocol)
        connection.setblocking(False)
        try:
            await loop.sock_connect(connection, address)
        except BaseException as error:
            connection.close()
            if not isinstance(error, OSError):
                raise
            failure = error
        else:
            return connection
    raise failure


def _parsed(url: str) -> URL:
    """Read once, by the library that will use it: two readers might see two hosts."""
    try:
        return URL(url)
    except ValueError as error:
        raise ProviderError(Evidence("connect", code="InvalidURL")) from error


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """`Retry-After` in seconds, from its number or its date; None if absent or unreadable.

    At most thirty days, whatever it says: nobody means more, and a column must hold the date.
    """
    value = headers.get("retry-after")
    if value is None:
        return None
    if _SECONDS.fullmatch(value):
        return min(float(value), _LONGEST_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    after_s = (at - (now or datetime.now(UTC))).total_seconds()
    return min(max(0.0, after_s), _LONGEST_RETRY_AFTER_S)
