"""One file up or down by a bare socket: a client that costs next to nothing beside the server."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_PIECE = 2**20
_WITHIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Carried:
    """`body_bytes` came back; `took_s` from the first byte of the request to the last of the
    answer."""

    status: int
    body_bytes: int
    took_s: float


def send_file(
    url: str, size_bytes: int, piece: Callable[[int], bytes], headers: Mapping[str, str]
) -> Carried:
    """POST a body of so many bytes; `piece` makes what is asked for, from an offset on."""
    began = time.monotonic()
    with _open(url, "POST", {**headers, "Content-Length": str(size_bytes)}) as line:
        sent = 0
        while sent < size_bytes:
            part = piece(sent)[: size_bytes - sent]
            line.sendall(part)
            sent += len(part)
        status, body = _answer(line)
    return Carried(status, body, time.monotonic() - began)


def fetch_file(url: str, headers: Mapping[str, str]) -> Carried:
    """GET it, and throw it away."""
    began = time.monotonic()
    with _open(url, "GET", headers) as line:
        status, body = _answer(line)
    return Carried(status, body, time.monotonic() - began)


def _open(url: str, method: str, headers: Mapping[str, str]) -> socket.socket:
    parts = urlsplit(url)
    line = socket.create_connection((parts.hostname or "", parts.port or 80), _WITHIN_S)
    said = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"{method} {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
    line.sendall(f"{head}{said}\r\n".encode())
    return line


def _answer(line: socket.socket) -> tuple[int, int]:
    """Its status and how long its body is; the server ends the connection."""
    buffer, got = bytearray(_PIECE), bytearray()
    while b"\r\n\r\n" not in got:
        n = line.recv_into(buffer)
        if not n:
            raise ConnectionError("the server ended the connection")
        got += memoryview(buffer)[:n]
    head, _, rest = bytes(got).partition(b"\r\n\r\n")
    body = len(rest)
    while n := line.recv_into(buffer):
        body += n
    return int(head.split(b" ", 2)[1]), body
