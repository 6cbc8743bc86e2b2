"""Asks ClamAV's daemon by its own protocol, over a socket of this machine or of the network."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from mentalspace.integrations.storage.scan.verdict import ScannerAway, Verdict

NAME = "clamav"

# source: https://docs.clamav.net/manual/Usage/Scanning.html#clamd, man clamd: INSTREAM
_BEGIN = b"zINSTREAM\0"
_CHUNK = 64 * 1024
_LONGEST_REPLY = 4096
_CONNECT_S = 5.0
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


async def ask(address: str, pieces: AsyncIterator[bytes], *, within_s: float) -> Verdict:
    """`address` is unix:PATH or tcp:HOST:PORT. Raises ScannerAway; what `pieces` raises goes
    through."""
    writer = None
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await _connect(address)
            reply = await _exchange(reader, writer, pieces)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise ScannerAway(f"ClamAV does not answer: {type(error).__name__}") from error
    finally:
        if writer is not None:
            writer.close()
    return _verdict(reply)


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    kind, _, place = address.partition(":")
    async with asyncio.timeout(_CONNECT_S):
        if kind == "unix":
            return await asyncio.open_unix_connection(place, limit=_LONGEST_REPLY)
        host, _, port = place.rpartition(":")
        return await asyncio.open_connection(host.strip("[]"), int(port), limit=_LONGEST_REPLY)


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pieces: AsyncIterator[bytes]
) -> str:
    """It may answer and hang up before the end, when the file is longer than it takes."""
    try:
        writer.write(_BEGIN)
        async for piece in pieces:
            for start in range(0, len(piece), _CHUNK):
                chunk = piece[start : start + _CHUNK]
                writer.write(len(chunk).to_bytes(4, "big") + chunk)
            await writer.drain()
        writer.write(bytes(4))
        await writer.drain()
    except ConnectionError:
        if not (early := await reader.read(_LONGEST_REPLY)):
            raise
        return early.decode("utf-8", "replace")
    return (await reader.readuntil(b"\0")).decode("utf-8", "replace")


def _verdict(reply: str) -> Verdict:
    """`stream: OK`, `stream: NAME FOUND`, or an error in words. Raises ScannerAway."""
    said = reply.strip("\0 \r\n").removeprefix("stream: ")
    if said == "OK":
        return Verdict(NAME, None)
    if said.endswith(" FOUND"):
        name = _UNSAFE.sub("-", said.removesuffix(" FOUND"))[:80]
        return Verdict(NAME, name or "unnamed")
    raise ScannerAway("ClamAV will not say: the file may be longer than its StreamMaxLength")
