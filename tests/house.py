"""A whole MentalSpace inside the test's own loop: API, worker and sandbox on free ports."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import uvicorn
from fastapi import FastAPI

from mentalspace.emulator.transports import Transports
from mentalspace.engine.credentials import read_secrets
from mentalspace.engine.db import connect_owner
from mentalspace.engine.services import Services
from mentalspace.kernel.phi import Phi
from mentalspace.kernel.settings import SANDBOX_PORTS
from mentalspace.main import MentalSpace
from mentalspace.practice.appointment import NewAppointment
from mentalspace.practice.token import mint_token
from mentalspace.sandbox.app import create_app as create_sandbox
from mentalspace.sandbox.app import server_of
from mentalspace.sandbox.world import open_world
from mentalspace.workflows.appointments import Booked, book
from mentalspace.workflows.demo import system_claims
from mentalspace.workflows.sandbox_keeping import call_sandbox, keep_sandbox


class _Guest(uvicorn.Server):
    """A server that leaves the process's signals to its host."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class House:
    app: MentalSpace
    services: Services
    practice_id: UUID
    http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.services.settings.port}"

    async def sandbox(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One call to the sandbox's control API."""
        return await call_sandbox(self.services, method, path, body)

    async def book(
        self, to: str = "client@demo.example", *, hours: float = 20, external_id: str = "a-1"
    ) -> Booked:
        """Book an appointment so many hours ahead; within a day there is no reminder."""
        return await book(
            self.services,
            system_claims(self.practice_id),
            new_appointment(to, self.services.clock.now() + timedelta(hours=hours), external_id),
        )

    async def ask_to_book(self, traceparent: str, external_id: str) -> str:
        """The same through the API, as the front desk, in a caller's trace; the request's id."""
        async with self.services.database.as_door() as connection:
            user_id = await connection.fetchval(
                "select user_id from membership where role = 'front_desk'"
            )
        token = mint_token(
            self.services.jwt_secret,
            user_id=user_id,
            role="front_desk",
            practice_id=self.practice_id,
            client_id=None,
        )
        body = {
            "external_id": external_id,
            "client_external_id": f"c-{external_id}",
            "client_name": "Testa Person",
            "client_email": "testa@demo.example",
            "client_timezone": "America/Chicago",
            "starts_at": (self.services.clock.now() + timedelta(hours=20)).isoformat(),
            "duration_min": 50,
        }
        headers = {"Authorization": f"Bearer {token}", "traceparent": traceparent}
        async with self.http.post(
            f"{self.url}/v1/appointments", json=body, headers=headers
        ) as answer:
            assert answer.status == 201, await answer.text()
            return answer.headers["x-request-id"]

    async def deliveries(self) -> list[dict[str, Any]]:
        async with self.services.database.as_oncall() as connection:
            rows = await connection.fetch(
                "select id, kind, status, attempts, last_case, held_reason, provider_message_id,"
                " reconciliations from delivery order by created_at, due_at"
            )
        return [dict(row) for row in rows]

    async def timeline(self, delivery_id: UUID) -> list[str]:
        async with self.services.database.as_oncall() as connection:
            rows = await connection.fetch(
                "select kind from timeline where delivery_id = $1 order by id", delivery_id
            )
        return [row["kind"] for row in rows]

    async def incidents(self) -> list[dict[str, Any]]:
        async with self.services.database.as_oncall() as connection:
            return [dict(row) for row in await connection.fetch("select * from incident")]

    async def advance(self, by: timedelta) -> None:
        """Move the demo's clock, and wait until everybody has noticed."""
        async with self.services.database.as_dispatcher() as connection:
            await connection.fetchval("select app.advance_clock($1)", by)
        offset_s = self.services.clock.offset.total_seconds() + by.total_seconds()
        await until(lambda: _is(self.services.clock.offset.total_seconds(), offset_s))
        await keep_sandbox(self.services)


async def write_agreements(owner: Any) -> None:
    """Every client there is agreed to texts: the ledger's word, without which none is texted."""
    await owner.execute(
        "insert into consent_entry (practice_id, recipient_key, client_id, channel, what, how,"
        " actor) select practice_id, id::text, id, 'sms', 'agreed', 'staff', 'test' from client"
        " where text_agreed_at is null"
    )


async def stored_secrets(house: House) -> dict[str, str]:
    """The default practice's e-mail credential, opened."""
    async with connect_owner(house.services.admin_url) as owner:
        secrets = await read_secrets(owner, house.services.vault, "email", "default")
    assert secrets is not None
    return secrets


async def _is(seen: float, wanted: float) -> bool:
    return abs(seen - wanted) < 0.001


def new_appointment(to: str | None, starts_at: datetime, external_id: str) -> NewAppointment:
    return NewAppointment(
        external_id=external_id,
        client_external_id=f"c-{to}",
        client_name=Phi("Testa Person"),
        client_email=Phi(to) if to else None,
        client_phone=None,
        client_timezone="America/Chicago",
        client_language="en",
        clinician_email=None,
        starts_at=starts_at,
        duration_min=50,
    )


async def until(
    holds: Callable[[], Awaitable[object]], *, within_s: float = 45.0, every_s: float = 0.1
) -> Any:
    """What `holds` gives once it is true. Fails after `within_s`, saying what was seen last."""
    ends = time.monotonic() + within_s
    while True:
        seen = await holds()
        if seen:
            return seen
        assert time.monotonic() < ends, f"did not happen within {within_s} s: {seen!r}"
        await asyncio.sleep(every_s)


# net.ipv4.ip_local_port_range begins there.
LOWEST_PORT, OUTGOING_FROM = 20_000, 32_768


def free_ports() -> int:
    """A port whose successors are free too: the console's, then the sandboxes'.

    Below those that Linux gives to outgoing connections: while a process of ours is dead, such a
    connection could take its port, and it would not come back.
    """
    while True:
        port = secrets.randbelow(OUTGOING_FROM - LOWEST_PORT - SANDBOX_PORTS) + LOWEST_PORT
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for beside in range(SANDBOX_PORTS + 1):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port + beside))
            return port


@asynccontextmanager
async def serving(server: uvicorn.Server, *doors: socket.socket) -> AsyncIterator[None]:
    """At its own port, or at those that were bound for it already."""
    task = asyncio.create_task(server.serve(sockets=list(doors) or None))
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("the server ended before it was ready")
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def serving_app(app: FastAPI) -> AsyncIterator[str]:
    """An application at a port of its own; its address."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        server = _Guest(uvicorn.Config(app, log_config=None, access_log=False))
        async with serving(server, door):
            yield f"http://127.0.0.1:{door.getsockname()[1]}"


def _api_of(app: MentalSpace) -> uvicorn.Server:
    return _Guest(
        uvicorn.Config(
            app._asgi,
            factory=True,
            host="127.0.0.1",
            port=app.settings.port,
            log_config=None,
            access_log=False,
        )
    )


@dataclass(frozen=True, slots=True)
class RunningApi:
    """`admin` is the database's owner; `http` keeps no cookies."""

    url: str
    services: Services
    admin: asyncpg.Connection[Any]
    http: aiohttp.ClientSession


@asynccontextmanager
async def running_api(
    admin_url: str, master_key: bytes, home: Path, *, pool_size: int = 10
) -> AsyncIterator[RunningApi]:
    """The API over a database with the demo's practices, and no worker."""
    app = MentalSpace(
        {
            "MENTALSPACE_HOME": str(home),
            "MENTALSPACE_PORT": str(free_ports()),
            "MENTALSPACE_MASTER_KEY": base64.urlsafe_b64encode(master_key).decode(),
            "DATABASE_URL": admin_url,
        }
    )
    await app._put_in_place(admin_url)
    admin = await asyncpg.connect(admin_url, server_settings={"search_path": "app,public"})
    async with (
        serving(_api_of(app)),
        app.open_services(pool_size=pool_size) as services,
        # The API lets go of what is idle for five seconds.
        aiohttp.TCPConnector(keepalive_timeout=2) as lines,
        aiohttp.ClientSession(connector=lines, cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        yield RunningApi(f"http://127.0.0.1:{app.settings.port}", services, admin, http)
    await admin.close()


@asynccontextmanager
async def running_house(
    admin_url: str, master_key: bytes, home: Path, **environment: str
) -> AsyncIterator[House]:
    """Everything `mentalspace up` starts, in this loop. The demo's own day stands still."""
    app = MentalSpace(
        {
            "MENTALSPACE_HOME": str(home),
            "MENTALSPACE_PORT": str(free_ports()),
            "MENTALSPACE_MASTER_KEY": base64.urlsafe_b64encode(master_key).decode(),
            "MENTALSPACE_DEMO_DAY": "off",
            "DATABASE_URL": admin_url,
            **environment,
        }
    )
    await app._prepare(admin_url, lambda _line: None)
    transports = Transports()
    world = open_world(home / "sandbox", rooms=None, seed=1, site_url=app.settings.site_url)
    port = app.settings.sandbox_port
    sandbox = _Guest(server_of(create_sandbox(world, transports, port), port, transports).config)
    stop = asyncio.Event()
    async with (
        serving(sandbox),
        serving(_api_of(app)),
        app.open_services(pool_size=20) as services,
        aiohttp.ClientSession() as http,
        app._worker(services) as worker,
    ):
        await keep_sandbox(services)
        working = asyncio.create_task(worker.run(stop))
        async with services.database.as_dispatcher() as connection:
            practice_id = await connection.fetchval("select id from practice where is_default")
        try:
            yield House(app, services, practice_id, http)
        finally:
            stop.set()
            await working
