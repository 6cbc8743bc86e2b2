"""The door of one emulator: reads a request, applies faults, records, syncs, then answers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from datetime import UTC
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from mentalspace.emulator.faults import Fault
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.recorder import Entry
from mentalspace.emulator.role import Emulator, Spooler
from mentalspace.emulator.transports import Transports
from mentalspace.emulator.words import Call, Reply, json_reply

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY_BYTES = 64 * 1024 * 1024
PIECE_BYTES = 256 * 1024
DRIPS = 20  # pieces a body trickles in


class EmulatorApp:
    """An ASGI application around one emulator.

    Nothing is sent before everything the call changed is on disk, so an answer that a client
    has seen survives any crash.
    """

    def __init__(self, kit: Kit, emulator: Emulator, transports: Transports) -> None:
        self._kit = kit
        self._emulator = emulator
        self._transports = transports
        self._spool = emulator.spool if isinstance(emulator, Spooler) else None
        self._at_work: set[tuple[str | None, str]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        file = self._spool_file(scope)
        try:
            call = await self._read(scope, receive, file)
            if call is not None:
                await self._serve(call, scope, receive, send)
        finally:
            if file is not None:
                file.unlink(missing_ok=True)

    async def _serve(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        account = self._emulator.identify(call)
        account_id = account.id if account else None
        key = self._emulator.idempotency_key(call)
        claim = self._emulator.claims(call)
        fault = self._kit.faults.pick(
            self._emulator.room, self._emulator.provider, account_id, call
        )
        work = (account_id, claim) if claim else None

        if work is not None and work in self._at_work:
            reply = self._emulator.busy(call, account)
            self._record(call, account_id, key, reply, fault)
            await self._kit.journal.flush()
        else:
            if work is not None:
                self._at_work.add(work)
            try:
                reply = await self._work(call, account_id, key, fault)
            finally:
                if work is not None:
                    self._at_work.discard(work)
        await self._answer(scope, receive, send, reply, fault)

    async def _work(
        self, call: Call, account_id: str | None, key: str | None, fault: Fault | None
    ) -> Reply:
        """Let the provider take the call, as far as the fault allows, and make it last."""
        latency_s = fault.latency_s if fault and fault.kind == "latency" else 0.0
        if fault and fault.when == "before" and latency_s:
            await asyncio.sleep(latency_s)
        reply = self._decide(call, fault)
        self._record(call, account_id, key, reply, fault)
        await self._kit.journal.flush()
        if fault and fault.when == "after" and latency_s:
            await asyncio.sleep(latency_s)
        return reply

    def _decide(self, call: Call, fault: Fault | None) -> Reply:
        account = self._emulator.identify(call)
        if fault is None or fault.kind in ("latency", "drip"):
            return self._emulator.handle(call, account)
        if fault.when == "before" and fault.kind in ("malformed", "truncate"):
            return json_reply(200, {})
        if fault.when == "before":
            return self._emulator.fail(account, fault)
        taken = self._emulator.handle(call, account)
        told = self._emulator.fail(account, fault) if fault.kind == "status" else taken
        return replace(told, accepted=taken.accepted, replayed=taken.replayed)

    def _record(
        self,
        call: Call,
        account_id: str | None,
        key: str | None,
        reply: Reply,
        fault: Fault | None,
    ) -> None:
        lost = fault is not None and fault.kind in ("hang", "reset")
        self._kit.recorder.record(
            Entry(
                number=self._kit.recorder.count + 1,
                at=call.at.isoformat(),
                room=self._emulator.room,
                provider=self._emulator.provider,
                account=account_id,
                method=call.method,
                path=call.path,
                idempotency_key=key,
                http=None if lost else reply.http,
                request_id=_name_of(reply),
                accepted=reply.accepted,
                replayed=reply.replayed,
                fault=fault.id if fault else None,
            )
        )

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, reply: Reply, fault: Fault | None
    ) -> None:
        if fault and fault.kind == "reset":
            self._transports.reset(scope["client"])
        if fault and fault.kind in ("hang", "reset"):
            await _until_gone(receive)
            return
        size = reply.size_bytes
        if fault and fault.kind == "malformed":
            size = max(1, size // 2)
        date = format_datetime(self._kit.clock.now().astimezone(UTC), usegmt=True)
        headers = {"date": date, **reply.headers, "content-length": str(size)}
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.http, "headers": raw})
        if fault and fault.kind == "truncate":
            await _send_all(send, reply, size // 2)
            self._transports.close(scope["client"])
            await _until_gone(receive)
            return
        if fault and fault.kind == "drip":
            await _drip(send, reply, size, fault.latency_s)
            return
        if reply.file is not None:
            await _send_all(send, reply, size)
        last = reply.body[:size] if reply.file is None else b""
        await send({"type": "http.response.body", "body": last})

    def _spool_file(self, scope: Scope) -> Path | None:
        """Where this request's body goes; None for one that is read into memory."""
        if self._spool is None or scope["method"] not in ("POST", "PUT"):
            return None
        kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        if kind.startswith(b"application/json"):
            return None
        self._spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._spool / secrets.token_hex(12)

    async def _read(self, scope: Scope, receive: Receive, file: Path | None) -> Call | None:
        """The whole request, or None if the client left in the middle of it."""
        body = b""
        if file is None:
            chunks: list[bytes] = []
            whole = await _receive_all(receive, chunks.append, MAX_BODY_BYTES)
            body = b"".join(chunks)
        else:
            with file.open("xb") as spool:
                whole = await _receive_all(receive, spool.write)
        if not whole:
            return None
        return Call(
            method=scope["method"],
            path=scope["path"].removeprefix(scope.get("root_path", "")) or "/",
            query=scope["query_string"].decode("latin-1"),
            headers={n.decode("latin-1"): v.decode("latin-1") for n, v in scope["headers"]},
            body=body,
            at=self._kit.clock.now(),
            file=file,
        )


async def _receive_all(
    receive: Receive, take: Callable[[bytes], object], most: int | None = None
) -> bool:
    """Hand over the body as it comes, up to `most` bytes; False if the client left meanwhile."""
    size_bytes, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        chunk = message.get("body", b"")
        size_bytes += len(chunk)
        if most is None or size_bytes <= most:
            take(chunk)
        more = message.get("more_body", False)
    return True


async def _send_all(send: Send, reply: Reply, size: int) -> None:
    for piece in reply.pieces(size, PIECE_BYTES):
        await send(_part(piece))


async def _drip(send: Send, reply: Reply, size: int, over_s: float) -> None:
    each = max(1, -(-size // DRIPS))
    pause_s = over_s / max(1, -(-size // each))
    for piece in reply.pieces(size, each):
        await asyncio.sleep(pause_s)
        await send(_part(piece))
    await send({"type": "http.response.body", "body": b""})


def _part(body: bytes) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": True}


def _name_of(reply: Reply) -> str:
    """The request as its provider names it in the answer; one of ours where it does not."""
    named = (
        value
        for name, value in reply.headers.items()
        if name == "cf-ray" or name.endswith("request-id")
    )
    return next(named, f"req_{secrets.token_hex(8)}")


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
