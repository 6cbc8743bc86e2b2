"""Two practices with clients and files, and the storage surface on a real port before them."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest
from yarl import URL

from mentalspace.api.app import create_app
from mentalspace.engine.services import Services
from mentalspace.integrations.storage.desk import desk_of
from mentalspace.integrations.storage.disk.partials import Partials
from mentalspace.integrations.storage.disk.shelf import DiskShelf
from mentalspace.integrations.storage.purge import purge_due
from mentalspace.practice.person import Role
from mentalspace.practice.token import mint_token
from tests.conftest import MASTER_KEY
from tests.databases import Databases
from tests.house import running_api, serving_app

PDF = b"%PDF-1.7\n" + b"a page of nothing at all\n" * 40
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
JPEG = b"\xff\xd8\xff\xe0" + bytes(600)


@dataclass(frozen=True, slots=True)
class Reply:
    http: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def told(self) -> tuple[str, str]:
        """The status and the error in the body, of whatever went wrong."""
        return self.body["statusCode"], self.body["error"]


@dataclass(frozen=True, slots=True)
class Who:
    role: Role
    practice_id: UUID | None
    user_id: UUID
    client_id: UUID | None = None

    def claims(self) -> dict[str, Any]:
        return {
            "sub": str(self.user_id),
            "role": "authenticated",
            "practice": None if self.practice_id is None else str(self.practice_id),
            "practice_role": self.role,
            "client": None if self.client_id is None else str(self.client_id),
        }


@dataclass(frozen=True, slots=True)
class Surface:
    """`alma` has an appointment with the clinician, `ben` with nobody; `mia` is of the other
    practice. `who` are people by a word."""

    url: str
    services: Services
    admin: asyncpg.Connection[Any]
    http: aiohttp.ClientSession
    lakeside: UUID
    mesa: UUID
    alma: UUID
    ben: UUID
    mia: UUID
    who: Mapping[str, Who]

    @property
    def base(self) -> str:
        return f"{self.url}/storage/v1"

    @property
    def shelf(self) -> DiskShelf:
        return DiskShelf(self.services.settings.storage)

    @property
    def partials(self) -> Partials:
        return Partials(self.services.settings.storage)

    def token(self, who: str = "administrator", *, lifetime: timedelta | None = None) -> str:
        person = self.who[who]
        return mint_token(
            self.services.jwt_secret,
            user_id=person.user_id,
            role=person.role,
            practice_id=person.practice_id,
            client_id=person.client_id,
            lifetime=lifetime or timedelta(hours=1),
        )

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: str | None = "administrator",
        data: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request. The path goes out as it is written here, nothing in it made smooth."""
        sent = dict(headers or {})
        if who is not None:
            sent.setdefault("Authorization", f"Bearer {self.token(who)}")
        address = URL(self.base + path, encoded=True)
        stream = io.BytesIO(data) if isinstance(data, bytes) else data
        async with self.http.request(
            method, address, json=body, data=stream, headers=sent, allow_redirects=False
        ) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def put(
        self, place: str, content: bytes = PDF, *, who: str = "administrator", **headers: str
    ) -> Reply:
        """A raw upload; the type is the content's own unless it is given."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent.setdefault("content-type", "application/pdf" if content[:1] == b"%" else "image/png")
        return await self.call("POST", f"/object/{place}", data=content, who=who, headers=sent)

    async def entries(self, action: str) -> list[dict[str, Any]]:
        """What the audit has of an action, the newest first."""
        rows = await self.admin.fetch(
            "select actor, subject, data from audit where action = $1 order by id desc", action
        )
        return [{**dict(row), "data": json.loads(row["data"])} for row in rows]

    async def waited_for(self) -> None:
        """Until somebody waits for a row that `admin` holds."""
        waits = "select exists (select from pg_locks where $1 = any (pg_blocking_pids(pid)))"
        own = self.admin.get_server_pid()
        async with asyncio.timeout(10):
            while not await self.admin.fetchval(waits, own):
                await asyncio.sleep(0.01)

    async def expire(self, names: str) -> int:
        """The time of what was removed under names that begin so is over; how many were purged."""
        await self.admin.execute(
            "update storage.archived set purge_at = app.now() where starts_with(name, $1)", names
        )
        return await purge_due(desk_of(self.services))

    def files(self) -> list[str]:
        """The names of all bytes on the disk, published or not."""
        return sorted(path.name for path in self.shelf.root.rglob("*") if path.is_file())


@pytest.fixture(scope="session")
async def surface(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Surface]:
    async with (
        databases.lend() as admin_url,
        running_api(admin_url, MASTER_KEY, tmp_path_factory.mktemp("files"), pool_size=4) as api,
    ):
        yield await _peopled(api.url, api.services, api.admin, api.http)


@asynccontextmanager
async def set_otherwise(surface: Surface, **settings: Any) -> AsyncIterator[Surface]:
    """The same people and files, before an API with other settings."""
    changed = replace(surface.services.settings, **settings)
    services = replace(surface.services, settings=changed)
    async with serving_app(create_app(services)) as url:
        yield replace(surface, url=url, services=services)


async def _peopled(
    url: str, services: Services, admin: asyncpg.Connection[Any], http: aiohttp.ClientSession
) -> Surface:
    practices = {r["slug"]: r["id"] for r in await admin.fetch("select slug, id from practice")}
    lakeside, mesa = practices["lakeside"], practices["mesa"]
    alma, ben, mia = [
        await admin.fetchval(
            "insert into client (practice_id, external_id, name) values ($1, $2, $2) returning id",
            practice_id,
            name,
        )
        for practice_id, name in ((lakeside, "Alma"), (lakeside, "Ben"), (mesa, "Mia"))
    ]
    await admin.execute(
        "insert into appointment (practice_id, external_id, client_id, clinician_email, starts_at,"
        " duration_min) values ($1, 'a', $2, 'Clinician@demo.example', now(), 50),"
        " ($1, 'b', $3, 'somebody@else.example', now(), 50)",
        lakeside,
        alma,
        ben,
    )
    who = {
        row["role"]: Who(row["role"], row["practice_id"], row["user_id"])
        for row in await admin.fetch("select role, practice_id, user_id from membership")
    }
    who["client"] = Who("client", lakeside, uuid4(), alma)
    who["mesa"] = Who("administrator", mesa, uuid4())
    who["mesa_client"] = Who("client", mesa, uuid4(), mia)
    return Surface(url, services, admin, http, lakeside, mesa, alma, ben, mia, who)
