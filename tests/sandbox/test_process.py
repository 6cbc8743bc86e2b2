"""The sandbox as a process of its own: without database or engine, and killed under load."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import smtplib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.house import free_ports
from tests.sandbox.conftest import MAIL

RUN = """
import sys
from pathlib import Path
from mentalspace.sandbox.app import run_sandbox
run_sandbox(["email"], int(sys.argv[1]), Path(sys.argv[2]), site_url=sys.argv[3])
"""
KEY = {"authorization": "Bearer re_sandbox"}


@contextlib.asynccontextmanager
async def sandbox_process(
    port: int, state: Path, site_url: str, http: aiohttp.ClientSession
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, str(port), str(state), site_url
    )
    try:
        async with asyncio.timeout(20):
            while not await is_ready(port, http):
                await asyncio.sleep(0.05)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def is_ready(port: int, http: aiohttp.ClientSession) -> bool:
    try:
        async with http.get(f"http://127.0.0.1:{port}/_control/healthz") as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    """Killed under load: acknowledged mails, keys, webhooks and records are all there again."""
    port, nobody = free_ports(), f"http://127.0.0.1:{free_ports()}"
    emails = f"http://127.0.0.1:{port}/email/resend/emails"
    acknowledged: dict[str, str] = {}

    async def send(http: aiohttp.ClientSession, number: int) -> str:
        key = f"key-{number}"
        async with http.post(
            emails, json={**MAIL, "subject": str(number)}, headers={**KEY, "idempotency-key": key}
        ) as answer:
            assert answer.status == 200
            return str((await answer.json())["id"])

    async def load(http: aiohttp.ClientSession, lane: int) -> None:
        for number in range(lane, 1_000_000, 8):
            with contextlib.suppress(aiohttp.ClientError):
                acknowledged[f"key-{number}"] = await send(http, number)
                continue
            return

    async with aiohttp.ClientSession() as http:
        control = f"http://127.0.0.1:{port}/_control"

        async def get(path: str) -> Any:
            async with http.get(control + path) as answer:
                return await answer.json()

        async with sandbox_process(port, tmp_path, nobody, http) as process:
            options = {"rate_per_s": 100_000}
            async with http.put(f"{control}/options/email/resend", json=options) as answer:
                assert answer.status == 200
            lanes = [asyncio.create_task(load(http, lane)) for lane in range(8)]
            async with asyncio.timeout(20):
                while len(acknowledged) < 300:
                    await asyncio.sleep(0.005)
            os.kill(process.pid, signal.SIGKILL)
            await asyncio.gather(*lanes)

        async with sandbox_process(port, tmp_path, nobody, http):
            kept = {item["id"] for item in await get("/mailbox?limit=100000")}
            assert set(acknowledged.values()) <= kept
            recorded = await get("/recorder")
            assert {i for entry in recorded for i in entry["accepted"]} >= set(
                acknowledged.values()
            )
            pending = await get("/webhooks?pending=true&limit=100000")
            assert len(pending) == 2 * len(kept)
            for key in list(acknowledged)[::50]:
                again = await send(http, int(key.removeprefix("key-")))
                assert again == acknowledged[key]
            assert len(await get("/mailbox?limit=100000")) == len(kept)
            (counts,) = (await get("/summary")).values()
            assert counts["accepted_twice"] == 0
            assert counts["repeated_requests_one_key"] == len(list(acknowledged)[::50])


async def test_a_relay_in_a_process_of_its_own(tmp_path: Path) -> None:
    """What the relay took is there after SIGKILL; an answer lost on request is a reset."""
    port, nobody = free_ports(), f"http://127.0.0.1:{free_ports()}"
    control = f"http://127.0.0.1:{port}/_control"

    def send(subject: str) -> None:
        with smtplib.SMTP("127.0.0.1", port + 1, timeout=5) as relay:
            relay.login("sandbox", "smtp-sandbox")
            mail = f"To: b@demo.example\r\nSubject: {subject}\r\n\r\n"
            relay.sendmail("a@demo.example", ["b@demo.example"], mail)

    async with aiohttp.ClientSession() as http:
        async with sandbox_process(port, tmp_path, nobody, http) as process:
            await asyncio.to_thread(send, "first")
            fault = {"room": "email", "provider": "smtp", "kind": "reset", "when": "after"}
            async with http.post(f"{control}/faults", json={**fault, "times": 1}) as answer:
                assert answer.status == 201
            with pytest.raises(smtplib.SMTPServerDisconnected):
                await asyncio.to_thread(send, "second")
            os.kill(process.pid, signal.SIGKILL)
        async with sandbox_process(port, tmp_path, nobody, http):
            await asyncio.to_thread(send, "third")
            async with http.get(f"{control}/mailbox") as answer:
                taken = [item["content"]["subject"] for item in await answer.json()]
            assert taken == ["third", "second", "first"]


async def test_it_needs_neither_database_nor_engine() -> None:
    """Importing the door and all sandboxes loads no database library, engine or room."""
    script = (
        "import sys, mentalspace.sandbox.app; "
        "from mentalspace.integrations import discover_sandboxes; "
        "assert discover_sandboxes(); "
        "print([m for m in sys.modules if m.split('.')[0] in ('sqlalchemy', 'asyncpg') "
        "or m.startswith(('mentalspace.engine', 'mentalspace.practice')) "
        "or m.startswith('mentalspace.') and m.endswith(('.room', '.adapter', '.wire'))])"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert output.decode().strip() == "[]"
