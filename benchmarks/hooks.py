"""Webhooks that come at a fixed rate, however long each takes: until each is on disk."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from benchmarks.figure import Figure, percentile
from benchmarks.stage import UNLIMITED_PER_S, Stage, until
from tests.house import free_ports

PER_S = 300
AIM_MS = 50.0
WARM_UP_S = 4.0
MESSAGES = 200


async def measure(stage: Stage, seconds: float) -> list[Figure]:
    """An answer of 200 means committed. The worker applies the events meanwhile, as it does."""
    await stage.limit(UNLIMITED_PER_S)
    await stage.account_change(webhook_url=None)
    known = await _known_messages(stage)
    url = f"http://127.0.0.1:{stage.services.settings.port}/v1/hooks/email/{stage.endpoint}"
    ours = await _send_evenly(stage, url, known, seconds)
    async with _peer(stage) as peer_url:
        peers = await _send_evenly(stage, peer_url, known, seconds)
    least = "svix, one INSERT, uvicorn"
    p99 = percentile(ours, 0.99)
    return [
        Figure(
            f"webhook to commit at {PER_S}/s, p50", percentile(ours, 0.5), "ms", least,
            percentile(peers, 0.5), less_is_better=True,
        ),
        Figure(
            f"webhook to commit at {PER_S}/s, p99", p99, "ms", least, percentile(peers, 0.99),
            less_is_better=True, aim=f"under {AIM_MS:.0f} ms", met=p99 < AIM_MS,
        ),
    ]  # fmt: skip


async def _known_messages(stage: Stage) -> list[str]:
    ids = await stage.put_in(MESSAGES)
    await stage.until_accepted(ids)
    found: list[str] = await stage.owner(
        "select array_agg(provider_message_id) from delivery where id = any ($1)", ids
    )
    return found


async def _send_evenly(
    stage: Stage, url: str, messages: Sequence[str], seconds: float
) -> list[float]:
    """Milliseconds from the moment each was meant to leave to its answer."""
    took: list[float] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        began = time.monotonic() + 0.2

        async def one(number: int) -> None:
            at = began + number / PER_S
            body, headers = _signed(stage.secrets["webhook_secret"], messages[number % MESSAGES])
            await asyncio.sleep(at - time.monotonic())
            async with http.post(url, data=body, headers=headers) as answer:
                await answer.read()
                assert answer.status == 200, answer.status
            if at - began > WARM_UP_S:
                took.append((time.monotonic() - at) * 1000)

        async with asyncio.TaskGroup() as group:
            for number in range(int((seconds + WARM_UP_S) * PER_S)):
                ahead = began + number / PER_S - time.monotonic()
                if ahead > 0.1:
                    await asyncio.sleep(ahead - 0.1)
                group.create_task(one(number))
    return took


def _signed(secret: str, message_id: str) -> tuple[bytes, dict[str, str]]:
    """As Svix signs. source: https://docs.svix.com/receiving/verifying-payloads/how-manual"""
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now))
    data: dict[str, Any] = {"email_id": message_id, "created_at": stamp, "to": ["x@demo.example"]}
    body = json.dumps({"type": "email.opened", "created_at": stamp, "data": data}).encode()
    event_id, seconds = f"msg_{secrets.token_hex(12)}", str(int(now))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{event_id}.{seconds}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return body, {
        "content-type": "application/json",
        "svix-id": event_id,
        "svix-timestamp": seconds,
        "svix-signature": f"v1,{signature}",
    }


@asynccontextmanager
async def _peer(stage: Stage) -> AsyncIterator[str]:
    port = free_ports()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.peer_hooks",
        stage.services.admin_url,
        stage.secrets["webhook_secret"],
        str(port),
    )
    try:
        await until(lambda: _listens(port), 30, 0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
