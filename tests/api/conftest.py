"""The API on a real port over one seeded database, shared by the tests of this folder."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest

from mentalspace.engine.services import Services
from mentalspace.main import DEMO_PASSWORD
from mentalspace.practice.identity import Person, Role, log_in
from mentalspace.practice.token import mint_token
from tests.conftest import MASTER_KEY
from tests.databases import Databases
from tests.house import running_api


@dataclass(frozen=True, slots=True)
class Reply:
    http: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass(frozen=True, slots=True)
class Api:
    """`practices` by slug: lakeside is the default one, mesa the other."""

    url: str
    services: Services
    admin: asyncpg.Connection[Any]
    http: aiohttp.ClientSession
    practices: Mapping[str, UUID]

    def token(self, role: Role = "administrator", practice: str = "lakeside") -> str:
        return mint_token(
            self.services.jwt_secret,
            user_id=uuid4(),
            role=role,
            practice_id=None if role == "oncall" else self.practices[practice],
            client_id=uuid4() if role == "client" else None,
        )

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: Role | None = "administrator",
        practice: str = "lakeside",
        headers: Mapping[str, str] | None = None,
        data: bytes | aiohttp.FormData | None = None,
    ) -> Reply:
        """One request with a token for `role`; None sends no token."""
        sent = dict(headers or {})
        if role is not None:
            sent.setdefault("Authorization", f"Bearer {self.token(role, practice)}")
        stream = io.BytesIO(data) if isinstance(data, bytes) else data
        async with self.http.request(
            method, self.url + path, json=body, data=stream, headers=sent, allow_redirects=False
        ) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def sign_in(self, local: str) -> tuple[Person, dict[str, str]]:
        """A console session of a demo person, as headers without the CSRF token."""
        person, cookie = await log_in(
            self.services.database, f"{local}@demo.example", DEMO_PASSWORD, demo_allowed=True
        )
        return person, {"Cookie": f"ms_session={cookie}"}


@pytest.fixture(scope="session")
async def api(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with (
        databases.lend() as admin_url,
        running_api(admin_url, MASTER_KEY, tmp_path_factory.mktemp("api")) as running,
    ):
        rows = await running.admin.fetch("select slug, id from practice")
        practices = {row["slug"]: row["id"] for row in rows}
        yield Api(running.url, running.services, running.admin, running.http, practices)


@pytest.fixture
def booking() -> dict[str, Any]:
    """A body that books; its ids are its own."""
    number = secrets.token_hex(4)
    return {
        "external_id": f"api-{number}",
        "client_external_id": f"client-{number}",
        "client_name": "Zelda Quillfeather",
        "client_email": f"zelda.{number}@clients.example",
        "client_timezone": "America/Chicago",
        "starts_at": "2031-03-04T09:30:00-06:00",
        "duration_min": 50,
    }


def written(logs: Path) -> str:
    """Everything logged so far."""
    return logs.read_text()
