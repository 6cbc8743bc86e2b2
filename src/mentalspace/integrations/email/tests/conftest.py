"""A running sandbox, and customers that speak to it: plain HTTP, and the official package."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import resend
from aiohttp import web

from mentalspace.sandbox.running import Running, running_sandbox

KEY = "re_test_key"
SECRET = "whsec_dGhlLXRlc3Qtc2VjcmV0LW9mLXRoZS1zYW5kYm94"
MAIL: dict[str, Any] = {
    "from": "Clinic <noreply@mentalspace.app>",
    "to": ["client@demo.example"],
    "subject": "Your appointment",
    "html": "<p>See you soon</p>",
    "tags": [{"name": "kind", "value": "reminder"}],
}


@dataclass
class Hooks:
    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def kinds(self, count: int) -> list[str]:
        """The types of the first `count` webhooks, once they have come."""
        async with asyncio.timeout(8):
            while len(self.got) < count:
                await self.more()
        return self.types()

    async def told(self, kind: str) -> bytes:
        """The first webhook of this type, once it has come."""
        async with asyncio.timeout(8):
            while kind not in self.types():
                await self.more()
        return self.got[self.types().index(kind)][1]

    async def more(self) -> None:
        self.came.clear()
        await self.came.wait()

    def types(self) -> list[str]:
        return [json.loads(body)["type"] for _headers, body in self.got]


@pytest_asyncio.fixture(loop_scope="session")
async def hooks() -> AsyncIterator[Hooks]:
    found = Hooks()

    async def take(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        found.got.append((headers, await request.read()))
        found.came.set()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield found
    await runner.cleanup()


@dataclass
class Client:
    """Speaks to the sandbox as Resend's customer."""

    sandbox: Running
    http: aiohttp.ClientSession

    async def call(
        self, method: str, path: str, body: Any = None, key: str | None = KEY, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            named["authorization"] = f"Bearer {key}"
        url = f"{self.sandbox.url}/email/resend{path}"
        async with self.http.request(method, url, json=body, headers=named) as answer:
            text = await answer.text()
            lower = {name.lower(): value for name, value in answer.headers.items()}
            is_json = lower["content-type"].startswith("application/json")
            return answer.status, json.loads(text) if is_json else text, lower

    def account(self, **fields: Any) -> None:
        self.sandbox.world.kit.accounts.put("email", "resend", KEY, **fields)


@pytest_asyncio.fixture(loop_scope="session")
async def client(
    tmp_path: Path, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Client]:
    async with running_sandbox(tmp_path) as sandbox, aiohttp.ClientSession() as http:
        kit = sandbox.world.kit
        kit.options.put("email", "resend", {"lag_min_s": 0.05, "lag_max_s": 0.1})
        client = Client(sandbox, http)
        client.account(webhook_url=hooks.url, webhook_secret=SECRET, rate_per_s=1000)
        monkeypatch.setattr(resend, "api_url", f"{sandbox.url}/email/resend")
        monkeypatch.setattr(resend, "api_key", KEY)
        yield client


def payload(name: str) -> Any:
    """A wire sample of Resend's, with its source beside it."""
    found = files("mentalspace.integrations.email.resend") / "payloads" / f"{name}.json"
    return json.loads(found.read_text())["body"]
