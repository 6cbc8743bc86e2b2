"""A running sandbox, and a project of it that is spoken to over plain HTTP."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest_asyncio

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.faults import Fault
from mentalspace.integrations.storage.document import Document
from mentalspace.sandbox.running import Running, running_sandbox

KEY = "sb_secret_" + "1" * 32
BUCKET = "client-documents"
AUTHORISED = {"apikey": KEY, "authorization": f"Bearer {KEY}"}


@dataclass
class Project:
    """Speaks to the sandbox as somebody with the project's key."""

    sandbox: Running
    http: aiohttp.ClientSession
    folder: Path

    @property
    def base_url(self) -> str:
        return f"{self.sandbox.url}/storage/supabase"

    async def raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """`path` is what follows `/storage/v1`; a dict or list goes as JSON. Without `headers`
        the project's key is sent."""
        sent = AUTHORISED if headers is None else headers
        given = {"json": body} if isinstance(body, dict | list) else {"data": body}
        url = f"{self.base_url}/storage/v1{path}"
        async with self.http.request(method, url, headers=sent, **given) as answer:
            names = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, names, await answer.read()

    async def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        status, _headers, content = await self.raw(method, path, body, headers)
        return status, json.loads(content) if content else None

    async def put(
        self, name: str, content: bytes = b"Hello", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        typed = {"content-type": "text/plain", **AUTHORISED, **(headers or {})}
        return await self.call("POST", f"/object/{BUCKET}/{name}", content, typed)

    def account(self, **options: Any) -> Account:
        """The project with these options instead of those it had."""
        accounts = self.sandbox.world.kit.accounts
        return accounts.put("storage", "supabase", KEY, options=options)

    def fault(self, **fields: Any) -> Fault:
        faults = self.sandbox.world.kit.faults
        return faults.add(**{"room": "storage", "provider": "supabase", "times": 1, **fields})

    def later(self, seconds: float) -> None:
        """Move the sandbox's clock on."""
        clock = self.sandbox.world.kit.clock
        clock.move(clock.offset.total_seconds() + seconds)

    def requests(self) -> list[str]:
        """What was asked, in order."""
        found = self.sandbox.world.kit.recorder.entries(room="storage")
        return [f"{entry.method} {entry.path.removeprefix('/storage/v1')}" for entry in found]

    def landed(self, content: bytes = b"A scan.", *, kind: Any = "document") -> Document:
        """A file on our own disk, and the reference to it."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.folder / sha256
        path.write_bytes(content)
        return Document(
            kind=kind,
            bucket=BUCKET,
            object_id="7f1c0000-0000-4000-8000-000000000001",
            version="5a0d0000-0000-4000-8000-000000000002",
            size_bytes=len(content),
            sha256=sha256,
            media_type="application/pdf",
            landed=str(path),
        )


@pytest_asyncio.fixture(loop_scope="session")
async def project(tmp_path: Path) -> AsyncIterator[Project]:
    async with (
        running_sandbox(tmp_path / "sandbox", rooms=["storage"]) as sandbox,
        aiohttp.ClientSession() as http,
    ):
        found = Project(sandbox, http, tmp_path)
        found.account()
        yield found
