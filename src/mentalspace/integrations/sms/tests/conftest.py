"""A running sandbox, and its customers: plain HTTP, and Twilio's own package."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest_asyncio
from aiohttp import web

from mentalspace.emulator.accounts import Account
from mentalspace.sandbox.running import Running, running_sandbox

SID = "AC" + "1" * 32
TOKEN = "2" * 32
NUMBER = "+12025550100"
CLIENT = "+12025550142"


@dataclass(frozen=True)
class Got:
    """A webhook as it came, with the address it was sent to."""

    url: str
    headers: dict[str, str]
    body: str

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body, True).items()}


@dataclass
class Hooks:
    """Takes webhooks at `url` and below; answers each with the next of `answers`, or 200."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def first(self, count: int) -> list[Got]:
        """The first `count`, once they have come."""
        async with asyncio.timeout(8):
            while len(self.got) < count:
                self.came.clear()
                await self.came.wait()
        return self.got[:count]


@pytest_asyncio.fixture(loop_scope="session")
async def hooks() -> AsyncIterator[Hooks]:
    found = Hooks()

    async def take(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        found.got.append(Got(str(request.url), headers, await request.text()))
        found.came.set()
        return web.Response(status=found.answers.pop(0) if found.answers else 200)

    app = web.Application()
    app.router.add_post("/{tail:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@dataclass
class Customer:
    """Speaks to the sandbox as Twilio's customer."""

    sandbox: Running
    http: aiohttp.ClientSession

    @property
    def base_url(self) -> str:
        return f"{self.sandbox.url}/sms/twilio"

    async def send(self, **fields: str) -> tuple[int, Any]:
        form = {"To": CLIENT, "From": NUMBER, "Body": "See you at 9.", **fields}
        return await self.call("POST", f"/2010-04-01/Accounts/{SID}/Messages.json", form)

    async def call(self, method: str, path: str, form: Any = None) -> tuple[int, Any]:
        headers = {"authorization": aiohttp.encode_basic_auth(SID, TOKEN)}
        url = f"{self.base_url}{path}"
        async with self.http.request(method, url, data=form, headers=headers) as answer:
            body = await answer.read()
            return answer.status, await answer.json() if body else None

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.sandbox.url}/_control{path}"
        async with self.http.request(method, url, json=body) as answer:
            return await answer.json()

    def account(self, url: str | None = None, **options: Any) -> Account:
        """The account with these options instead of those it had."""
        return self.sandbox.world.kit.accounts.put(
            "sms",
            "twilio",
            f"{SID}:{TOKEN}",
            webhook_url=url,
            webhook_secret=TOKEN,
            options=options,
            profile={"account_sid": SID, "phone_number": NUMBER},
        )

    def later(self, seconds: float) -> None:
        """Move the sandbox's clock on."""
        clock = self.sandbox.world.kit.clock
        clock.move(clock.offset.total_seconds() + seconds)


@pytest_asyncio.fixture(loop_scope="session")
async def customer(tmp_path: Path) -> AsyncIterator[Customer]:
    async with running_sandbox(tmp_path, rooms=["sms"]) as sandbox, aiohttp.ClientSession() as http:
        kit = sandbox.world.kit
        kit.options.put("sms", "twilio", {"lag_min_s": 0.02, "lag_max_s": 0.05})
        customer = Customer(sandbox, http)
        customer.account()
        yield customer
