"""The API on a real port over one seeded database, shared by the tests of this folder."""

from __future__ import annotations

import base64
import io
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest
import uvicorn

from mentalspace.engine.services import Services
from mentalspace.main import DEMO_PASSWORD, MentalSpace
from mentalspace.practice.identity import Person, Role, log_in
from mentalspace.practice.token import mint_token
from tests.conftest import MASTER_KEY
from tests.databases import Databases
from tests.house import _Guest, free_ports, serving


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
        _served(admin_url, tmp_path_factory.mktemp("api")) as api,
    ):
        yield api


@asynccontextmanager
async def _served(admin_url: str, home: Path) -> AsyncIterator[Api]:
    app = _application(admin_url, home)
    await app._put_in_place(admin_url)
    admin = await asyncpg.connect(admin_url, server_settings={"search_path": "app,public"})
    guest = _Guest(
        uvicorn.Config(
            app._asgi,
            factory=True,
            host="127.0.0.1",
            port=app.settings.port,
            log_config=None,
            access_log=False,
        )
    )
    async with (
        serving(guest),
        app.open_services() as services,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        rows = await admin.fetch("select slug, id from practice")
        practices = {row["slug"]: row["id"] for row in rows}
        url = f"http://127.0.0.1:{app.settings.port}"
        yield Api(url, services, admin, http, practices)
    await admin.close()


def _application(admin_url: str, home: Path) -> MentalSpace:
    return MentalSpace(
        {
            "MENTALSPACE_HOME": str(home),
            "MENTALSPACE_PORT": str(free_ports()),
            "MENTALSPACE_MASTER_KEY": base64.urlsafe_b64encode(MASTER_KEY).decode(),
            "DATABASE_URL": admin_url,
        }
    )


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
