"""A running sandbox and a client for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest_asyncio

from mentalspace.sandbox.running import Running, running_sandbox

MAIL = {
    "from": "noreply@mentalspace.app",
    "to": "client@demo.example",
    "subject": "Your appointment",
    "html": "<p>Hello <b>you</b></p><script>alert(1)</script>",
    "text": "Hello you",
}


@dataclass
class Client:
    sandbox: Running
    http: aiohttp.ClientSession

    async def control(self, method: str, path: str, body: Any = None, http: int = 200) -> Any:
        """Call the control API and insist on the status."""
        url = f"{self.sandbox.url}/_control{path}"
        async with self.http.request(method, url, json=body) as answer:
            found = await answer.json(content_type=None)
            assert answer.status == http, found
            return found

    async def page(self, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.get(self.sandbox.url + path, headers=named) as answer:
            lower = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, await answer.text(), lower

    async def send(
        self,
        subject: str = "Your appointment",
        key: str | None = None,
        within_s: float = 5.0,
        api_key: str = "re_sandbox",
        **fields: Any,
    ) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {api_key}"}
        if key is not None:
            headers["idempotency-key"] = key
        async with self.http.post(
            f"{self.sandbox.url}/email/resend/emails",
            json={**MAIL, "subject": subject, **fields},
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=within_s),
        ) as answer:
            return answer.status, await answer.json()

    async def accepted(self) -> list[str]:
        """Subjects in the mailbox, newest first."""
        return [item["content"]["subject"] for item in await self.control("GET", "/mailbox")]


@pytest_asyncio.fixture(loop_scope="session")
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with running_sandbox(tmp_path) as sandbox, aiohttp.ClientSession() as http:
        yield Client(sandbox, http)
