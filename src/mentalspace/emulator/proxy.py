"""A TCP proxy that delays, cuts, drips or swallows what a server answers, or what it is sent."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from mentalspace.emulator.transports import abort_with_reset

Toxin = Literal["none", "latency", "drip", "truncate", "reset", "hang", "cut"]


@dataclass(frozen=True, slots=True)
class Weather:
    """What happens to the server's answers; `cut` alone happens to what it is sent.

    latency: each answer starts `latency_s` late. drip: one byte every `latency_s`.
    truncate, reset: after `after_bytes` the connection ends in order, or with a TCP reset.
    hang: after `after_bytes` nothing more comes, and the connection stays open.
    cut: after `after_bytes` of a client's have passed, both sides meet a TCP reset.
    """

    toxin: Toxin = "none"
    latency_s: float = 0.0
    after_bytes: int = 0


class FaultProxy:
    """Listens on a free loopback port while it is entered; `weather` may change at any time."""

    def __init__(self, target_host: str, target_port: int) -> None:
        self._target = (target_host, target_port)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.weather = Weather()
        self.port = 0

    async def __aenter__(self) -> FaultProxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Only our own end cancels it; asyncio's streams would make an error of that.
        with contextlib.suppress(asyncio.CancelledError):
            await self._carry(reader, writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        except OSError:
            abort_with_reset(writer.transport)
            return
        forth = asyncio.create_task(self._forth(reader, writer, upstream_writer))
        try:
            await self._back(upstream_reader, writer)
        except (ConnectionError, TimeoutError):
            pass
        finally:
            forth.cancel()
            for each in (writer, upstream_writer):
                each.close()
                with contextlib.suppress(ConnectionError):
                    await each.wait_closed()

    async def _forth(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream: asyncio.StreamWriter,
    ) -> None:
        passed = 0
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65536):
                weather = self.weather
                cut = weather.toxin == "cut" and passed + len(chunk) >= weather.after_bytes
                if cut:
                    chunk = chunk[: max(0, weather.after_bytes - passed)]
                upstream.write(chunk)
                await upstream.drain()
                passed += len(chunk)
                if cut:
                    abort_with_reset(upstream.transport)
                    abort_with_reset(writer.transport)
                    return
            upstream.write_eof()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        while chunk := await reader.read(65536):
            weather = self.weather
            if weather.toxin == "latency":
                await asyncio.sleep(weather.latency_s)
            if weather.toxin in ("truncate", "reset", "hang"):
                chunk = chunk[: max(0, weather.after_bytes - passed)]
            if weather.toxin == "drip":
                for position in range(len(chunk)):
                    writer.write(chunk[position : position + 1])
                    await writer.drain()
                    await asyncio.sleep(weather.latency_s)
            else:
                writer.write(chunk)
                await writer.drain()
            passed += len(chunk)
            if passed < weather.after_bytes or weather.toxin not in ("truncate", "reset", "hang"):
                continue
            if weather.toxin == "hang":
                await asyncio.Event().wait()
            if weather.toxin == "reset":
                abort_with_reset(writer.transport)
            return
