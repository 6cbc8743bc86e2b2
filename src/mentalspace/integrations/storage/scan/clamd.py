"""Asks ClamAV's daemon by its own protocol, over a socket of this machine or of the network."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from mentalspace.integrations.storage.scan.verdict import ScannerAway, TooLong, Verdict

NAME = "clamav"

# source: https://docs.clamav.net/manual/Usage/Scanning.html#clamd, man clamd: INSTREAM
_BEGIN = b"zINSTREAM\0"
_CHUNK = 64 * 1024
_LONGEST_REPLY = 4096
_CONNECT_S = 5.0
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


async def ask(address: str, pieces: AsyncIterator[bytes], *, within_s: float) -> Verdict:
    """`address` is unix:PATH or tcp:HOST:PORT. Raises ScannerAway, or TooLong; what `pieces` raises
    goes through."""
    try:
        async with asyncio.timeout(within_s) as time:
            with closing(await _connect(address)) as line:
                return _verdict(await _exchange(line, pieces))
    except TimeoutError as error:
        if not time.expired():
            raise
        raise ScannerAway("ClamAV does not answer in time") from error


async def _connect(address: str) -> socket.socket:
    """A bare socket: a stream that cannot write any more would forget what there is to read."""
    kind, _, place = address.partition(":")
    with _line():
        async with asyncio.timeout(_CONNECT_S):
            if kind == "unix":
                return await _open(socket.AF_UNIX, place)
            host, _, port = place.rpartition(":")
            found = await asyncio.get_running_loop().getaddrinfo(
                host.strip("[]"), int(port), type=socket.SOCK_STREAM
            )
            for family, *_, where in found[:-1]:
                with suppress(OSError):
                    return await _open(family, where)
            return await _open(found[-1][0], found[-1][4])


async def _open(family: int, where: Any) -> socket.socket:
    line = socket.socket(family, socket.SOCK_STREAM)
    try:
        line.setblocking(False)
        await asyncio.get_running_loop().sock_connect(line, where)
    except BaseException:
        line.close()
        raise
    return line


async def _exchange(line: socket.socket, pieces: AsyncIterator[bytes]) -> str:
    """It may answer and hang up before the end, when the file is longer than it takes."""
    await _is_sent(line, _BEGIN)
    async for piece in pieces:
        for start in range(0, len(piece), _CHUNK):
            chunk = piece[start : start + _CHUNK]
            if not await _is_sent(line, len(chunk).to_bytes(4, "big") + chunk):
                return await _answer(line)
    await _is_sent(line, bytes(4))
    return await _answer(line)


async def _is_sent(line: socket.socket, piece: bytes) -> bool:
    """False once nobody listens any more."""
    try:
        await asyncio.get_running_loop().sock_sendall(line, piece)
    except OSError:
        return False
    return True


async def _answer(line: socket.socket) -> str:
    said = b""
    with _line():
        while not said.endswith(b"\0"):
            more = await asyncio.get_running_loop().sock_recv(line, _LONGEST_REPLY)
            if not more or len(said) > _LONGEST_REPLY:
                raise ConnectionResetError
            said += more
    return said.decode("utf-8", "replace")


@contextmanager
def _line() -> Iterator[None]:
    """What goes wrong with it is the scanner's."""
    try:
        yield
    except OSError as error:
        raise ScannerAway(f"ClamAV does not answer: {type(error).__name__}") from error


def _verdict(reply: str) -> Verdict:
    """`stream: OK`, `stream: NAME FOUND`, or an error in words. Raises ScannerAway, or TooLong."""
    said = reply.strip("\0 \r\n").removeprefix("stream: ")
    if said == "OK":
        return Verdict(NAME, None)
    if said.endswith(" FOUND"):
        name = _UNSAFE.sub("-", said.removesuffix(" FOUND"))[:80]
        return Verdict(NAME, name or "unnamed")
    if "size limit exceeded" in said:
        raise TooLong("the file is longer than ClamAV's StreamMaxLength")
    raise ScannerAway("ClamAV will not say")
