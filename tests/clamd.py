"""A server that speaks clamd's INSTREAM, as its manual page has it, and knows one test file."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# In two halves, or a scanner would take this file for the test file.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + rb"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class Clamd:
    """ClamAV's daemon as its manual page has INSTREAM: chunks with their length before them, at
    most `longest` in all; it knows one string."""

    def __init__(self, longest: int = 1_000_000) -> None:
        self.longest = longest
        self.scanned = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
            content = b""
            while length := struct.unpack("!L", await reader.readexactly(4))[0]:
                content += await reader.readexactly(length)
                if len(content) > self.longest:
                    writer.write(b"INSTREAM size limit exceeded. ERROR\0")
                    await writer.drain()
                    return
            self.scanned += 1
            said = b"Eicar-Signature FOUND" if EICAR in content else b"OK"
            writer.write(b"stream: " + said + b"\0")
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def clamd(where: str, server: Clamd) -> AsyncIterator[str]:
    """At a path, or on a free port for an empty one; its address."""
    if where:
        listening = await asyncio.start_unix_server(server.serve, where)
        address = f"unix:{where}"
    else:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        address = f"tcp:127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        yield address
