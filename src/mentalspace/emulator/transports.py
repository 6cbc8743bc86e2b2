"""Below HTTP: find the connection a request came in on, and break it."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Peer = tuple[str, int]


class Transports:
    """The open connections of one server, by the client's address."""

    def __init__(self) -> None:
        self._open: dict[Peer, asyncio.Transport] = {}

    def protocol(self) -> type[HttpToolsProtocol]:
        """uvicorn's own HTTP protocol, which also keeps this register up to date."""
        register = self._open

        class RegisteringProtocol(HttpToolsProtocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                if self.client:
                    register[self.client] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                if self.client:
                    register.pop(self.client, None)
                super().connection_lost(exc)

        return RegisteringProtocol

    def close(self, peer: Any) -> None:
        """End this client's connection in order, whatever was promised."""
        transport = self._open.get(tuple(peer))
        if transport is not None:
            transport.close()

    def reset(self, peer: Any) -> bool:
        """Send a TCP reset to this client; False if its connection is gone already."""
        transport = self._open.get(tuple(peer))
        if transport is None:
            return False
        abort_with_reset(transport)
        return True


def abort_with_reset(transport: asyncio.Transport | asyncio.WriteTransport) -> None:
    """Close so that the other side sees a reset, not an orderly end."""
    handle = transport.get_extra_info("socket")
    if handle is not None:
        # A duplicate descriptor reaches the same socket under asyncio and uvloop alike.
        with socket.socket(fileno=os.dup(handle.fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
