"""The installation of an exercise: real processes, three practices, and their day that goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

import asyncpg

from mentalspace.emulator.accounts import account_id
from mentalspace.engine.credentials import NewCredential, read_secrets
from mentalspace.engine.db import connect_owner
from mentalspace.engine.services import Services
from mentalspace.kernel.integration import Provider
from mentalspace.practice.tenancy import (
    base_url_of,
    endpoint_of,
    ensure_practice,
    is_live,
    rank_of,
    store,
)
from mentalspace.workflows.demo import DEMO_PRACTICES, DemoPractice, sandbox_credentials
from mentalspace.workflows.demo_texts import DEMO_OPTIONS
from mentalspace.workflows.sandbox_keeping import NO_OPTIONS, call_sandbox, register_account
from tests.exercise.catalogue import HARBOR
from tests.torture.installation import Installation, installed, kill
from tests.torture.load import Load

LOGIN = "oncall@demo.example"
COLLEAGUE = "Theo Brandt (command line)"  # whoever enters what they should not
# Beside the demo's own day, which after twenty minutes becomes a slow one: in each practice
# somebody is booked every twenty seconds, and texted in a place where it is morning.
BOOKINGS_PER_S = 0.15
COMMAND_WITHIN_S = 60.0

THIRD = DemoPractice(
    HARBOR,
    "Harbor Street Therapy",
    "America/New_York",
    "+1 555 0102",
    False,
    {"phone_number": "+16175550100"},
)


@dataclass(frozen=True, slots=True)
class Console:
    """Where whoever is called looks, and as whom."""

    address: str
    login: str
    password: str


@dataclass(frozen=True, slots=True)
class Stage:
    """The house of `tests.exercise.fault`, as it really is."""

    installation: Installation
    services: Services

    @property
    def console(self) -> Console:
        app = self.installation.app
        return Console(f"http://127.0.0.1:{app.settings.port}", LOGIN, app.demo_password)

    async def owner(self, sql: str, *values: Any) -> list[Any]:
        """The rows of one statement, as the database's owner."""
        async with connect_owner(self.services.admin_url) as connection:
            rows: list[Any] = await connection.fetch(sql, *values)
            return rows

    async def sandbox(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return await call_sandbox(self.services, method, path, body)

    async def account(self, room: str, practice: str) -> str:
        provider = self._provider(room)
        known_by = await self.customer(room, practice)
        return f"/accounts/{room}/{provider.name}/{account_id(room, provider.name, known_by)}"

    async def customer(self, room: str, practice: str) -> str:
        return self._provider(room).customer(await self._secrets(room, practice))

    async def register(self, room: str, practice: str) -> None:
        provider = self._provider(room)
        await register_account(
            self.services,
            room,
            provider,
            self._endpoint(room, practice),
            await self._secrets(room, practice),
            DEMO_OPTIONS.get((room, provider.name), NO_OPTIONS),
        )

    async def command(self, *words: str) -> None:
        await self.installation.command(*words, within_s=COMMAND_WITHIN_S)

    async def enter_credential(self, room: str, practice: str, base_url: str | None = None) -> None:
        services, provider = self.services, self._provider(room)
        url = base_url or base_url_of(room, provider, services.settings)
        async with connect_owner(services.admin_url) as owner, owner.transaction():
            practice_id = await owner.fetchval("select id from practice where slug = $1", practice)
            new = NewCredential(
                practice_id,
                room,
                self._endpoint(room, practice),
                url,
                is_live(url),
                await self._secrets(room, practice),
                rank=rank_of(services.rooms[room], provider),
            )
            await store(owner, services.vault, provider, new, services.settings, actor=COLLEAGUE)

    async def kill_worker(self) -> None:
        victim = await self.installation.victim("worker")
        if victim is not None:
            kill(victim)

    async def session(self, program: str, *, ours: bool = False) -> Any:
        url = self.services.login_url if ours else self.services.admin_url
        return await asyncpg.connect(url, server_settings={"application_name": program})

    def _provider(self, room: str) -> Provider:
        return self.services.rooms[room].providers[0]

    def _endpoint(self, room: str, practice: str) -> str:
        default = next(one.slug for one in DEMO_PRACTICES if one.is_default)
        slug = None if practice == default else practice
        return endpoint_of(slug, self.services.rooms[room], self._provider(room))

    async def _secrets(self, room: str, practice: str) -> dict[str, str]:
        async with connect_owner(self.services.admin_url) as owner:
            found = await read_secrets(
                owner, self.services.vault, room, self._endpoint(room, practice)
            )
        assert found is not None, f"{practice} has nothing of {room}"
        return found


@asynccontextmanager
async def open_stage(random: Random) -> AsyncIterator[Stage]:
    """Up, with a day that goes on in every practice; nothing of it is kept."""
    async with (
        installed(MENTALSPACE_DEMO_DAY="on") as installation,
        installation.app.open_services(name="mentalspace front-desk") as services,
    ):
        stage = Stage(installation, services)
        async with connect_owner(services.admin_url) as owner:
            third = await ensure_practice(
                owner, THIRD.slug, name=THIRD.name, timezone=THIRD.timezone, phone=THIRD.phone
            )
            await sandbox_credentials(
                owner, services.vault, services.rooms, services.settings, THIRD, third
            )
        async with _busy(stage, random):
            yield stage


@asynccontextmanager
async def _busy(stage: Stage, random: Random) -> AsyncIterator[None]:
    rows = await stage.owner("select id from practice where not is_drill order by slug")
    practices: list[UUID] = [row["id"] for row in rows]
    desks = Load(stage.services, practices, random, BOOKINGS_PER_S, share_bouncing=0.0)
    async with desks.booking():
        yield
