"""One SMTP conversation under one deadline: each failure says whether anything was handed over."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar, cast

import aiosmtplib

from mentalspace.integrations.email.smtp.wire import Relay, reply_evidence
from mentalspace.kernel.errors import Evidence, ProviderError
from mentalspace.kernel.integration import Http

T = TypeVar("T")

_LOOK_AGAIN_S = 0.01
_END_OF_DATA = b".\r\n"


class Conversation:
    """`stage` is what is being said. Once `handed_over`, the relay may have taken the mail."""

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        self._client = client
        self.stage = "connect"
        self.handed_over = False

    async def open(self, relay: Relay) -> None:
        """The greeting, EHLO, and TLS wherever somebody else could listen.

        source: https://www.rfc-editor.org/rfc/rfc8314#section-3
        """
        await self.say("connect", self._client.connect())
        await self.say("ehlo", self._client.ehlo())
        if relay.wrapped or relay.here:
            return
        if not self._client.supports_extension("starttls"):
            raise ProviderError(Evidence("connect", code="tls_not_offered"))
        await self.say("starttls", self._client.starttls(server_hostname=relay.host))
        await self.say("ehlo", self._client.ehlo())

    async def log_in(self, username: str, password: str) -> None:
        """AUTH by one way only: every wrong try counts at the relay.

        source: https://www.rfc-editor.org/rfc/rfc4954#section-4
        """
        offered = self._client.server_auth_methods
        if "plain" in offered:
            await self.say("auth", self._client.auth_plain(username, password))
        elif "login" in offered:
            await self.say("auth", self._client.auth_login(username, password))
        else:
            raise ProviderError(Evidence("connect", code="auth_not_offered"))

    async def hand_over(self, sender: str, recipient: str, message: bytes) -> str:
        """MAIL, RCPT, DATA; the text of the reply that takes it.

        source: https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.4
        """
        options = self._options(sender, recipient, len(message))
        encoding = "utf-8" if "SMTPUTF8" in options else "ascii"
        await self.say("mail", self._client.mail(sender, options=options, encoding=encoding))
        await self.say("rcpt", self._client.rcpt(recipient, encoding=encoding))
        started = await self.say("data", self._client.execute_command(b"DATA"))
        if started.code != 354:
            raise aiosmtplib.SMTPResponseException(started.code, started.message)
        return await self._deliver(_dotted(message))

    async def idle(self) -> None:
        await self.say("noop", self._client.noop())

    def leave(self) -> None:
        """QUIT, without waiting for the farewell."""
        if self._client.protocol is not None and self._client.is_connected:
            self._client.protocol.write(b"QUIT\r\n")
        self._client.close()

    async def say(self, stage: str, words: Awaitable[T]) -> T:
        self.stage = stage
        return await words

    async def _deliver(self, content: bytes) -> str:
        """The content, and its end apart: before that has left, nothing can have been taken."""
        protocol = self._client.protocol
        if protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("lost")
        protocol.write(content)
        await _sent(protocol)
        self.handed_over = True
        protocol.write(_END_OF_DATA)
        reply = await protocol.read_response()
        if reply.code != 250:
            raise aiosmtplib.SMTPResponseException(reply.code, reply.message)
        return reply.message

    def _options(self, sender: str, recipient: str, size_bytes: int) -> list[str]:
        options = []
        if self._client.supports_extension("size"):
            options.append(f"SIZE={size_bytes}")
        if not (sender + recipient).isascii():
            if not self._client.supports_extension("smtputf8"):
                raise ProviderError(Evidence("refused_locally", code="smtputf8_not_offered"))
            options.append("SMTPUTF8")
        return options


@asynccontextmanager
async def conversation(http: Http, relay: Relay) -> AsyncIterator[Conversation]:
    """A conversation with the relay, closed afterwards. Whatever fails in it is ProviderError.

    Before the end of the message has left, a failure is surely no delivery; afterwards its
    kind is `timeout`, `reset` or `malformed`, and nobody knows.
    """
    tls = None if relay.here and not relay.wrapped else await asyncio.to_thread(_tls_context)
    client = _client(await http.dial(relay.host, relay.port), relay, tls)
    talk = Conversation(client)
    try:
        async with asyncio.timeout(http.deadline_s):
            await talk.open(relay)
            yield talk
    except aiosmtplib.SMTPResponseException as error:
        raise ProviderError(_replied(talk, error)) from None  # its text may quote an address
    except (TimeoutError, aiosmtplib.SMTPException, OSError) as error:
        raise ProviderError(_lost(talk, error)) from None
    finally:
        talk.leave()


def _client(connection: socket.socket, relay: Relay, tls: ssl.SSLContext | None) -> aiosmtplib.SMTP:
    """Names itself by its address: no name of ours need resolve.

    source: https://www.rfc-editor.org/rfc/rfc5321#section-4.1.3
    """
    address = connection.getsockname()[0]
    literal = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
    return aiosmtplib.SMTP(
        hostname=relay.host,
        sock=connection,
        local_hostname=literal,
        use_tls=relay.wrapped,
        start_tls=False,
        tls_context=tls,
        timeout=None,
    )


def _tls_context() -> ssl.SSLContext:
    """The system's authorities and their names for hosts; reading them takes a while."""
    return ssl.create_default_context()


def _replied(talk: Conversation, error: aiosmtplib.SMTPResponseException) -> Evidence:
    if error.code >= 100:
        return reply_evidence(talk.stage, error.code, error.message)
    if talk.handed_over:
        return Evidence("malformed")
    return Evidence("connect", code=f"garbled_at_{talk.stage}")


def _lost(talk: Conversation, error: Exception) -> Evidence:
    late = isinstance(error, TimeoutError)
    if talk.handed_over:
        return Evidence("timeout" if late else "reset")
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return Evidence("connect", code="tls_failed")
    return Evidence("connect", code=f"{'silent' if late else 'lost'}_at_{talk.stage}")


async def _sent(protocol: aiosmtplib.protocol.SMTPProtocol) -> None:
    """Wait until all that was written has left this process."""
    while True:
        # Whatever loop it is of: uvloop's is none of asyncio's classes.
        transport = cast(asyncio.WriteTransport | None, protocol.transport)
        if transport is None or transport.is_closing():
            raise aiosmtplib.SMTPServerDisconnected("lost")
        if not transport.get_write_buffer_size():
            return
        await asyncio.sleep(_LOOK_AGAIN_S)


def _dotted(message: bytes) -> bytes:
    """A line that begins with a dot gets another, and the last line ends.

    source: https://www.rfc-editor.org/rfc/rfc5321#section-4.5.2
    """
    whole = message if message.endswith(b"\r\n") else message + b"\r\n"
    dotted = whole.replace(b"\r\n.", b"\r\n..")
    return b"." + dotted if dotted.startswith(b".") else dotted
