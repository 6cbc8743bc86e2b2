"""A front desk over a fresh database: what the practice's workflows need, and nobody who sends."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from mentalspace.engine.process import follow_clock
from mentalspace.engine.services import Services
from mentalspace.integrations.email.model import Mail
from mentalspace.main import MentalSpace
from mentalspace.workflows.demo import system_claims
from tests.house import free_ports


@dataclass(frozen=True, slots=True)
class Office:
    services: Services
    practice_id: UUID
    other_id: UUID

    @property
    def claims(self) -> dict[str, Any]:
        return system_claims(self.practice_id)

    async def mails(self) -> list[tuple[str, str]]:
        """Kind and status of every mail, in the order they were written."""
        async with self.services.database.as_user(self.claims) as connection:
            rows = await connection.fetch(
                "select notification_type, coalesce(delivery_status, status) as status"
                " from appointment_notifications order by created_at, notification_type"
            )
        return [(row["notification_type"], row["status"]) for row in rows]

    async def written(self) -> list[Mail]:
        """The mails themselves, opened, in the order they leave."""
        async with self.services.database.as_worker(self.practice_id) as connection:
            rows = await connection.fetch("select payload from delivery order by due_at, kind")
        vault = self.services.vault
        return [
            Mail.from_bytes(vault.open(self.practice_id, "delivery", row["payload"]))
            for row in rows
        ]

    async def advance(self, by: timedelta) -> None:
        """Move the demo's clock."""
        async with self.services.database.as_dispatcher() as connection:
            await connection.fetchval("select app.advance_clock($1)", by)
        await follow_clock(self.services.database, self.services.clock)

    async def fetch(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """As the practice's administrator."""
        async with self.services.database.as_user(self.claims) as connection:
            return [dict(row) for row in await connection.fetch(sql, *values)]


@asynccontextmanager
async def open_office(admin_url: str, master_key: bytes, home: Path) -> AsyncIterator[Office]:
    app = MentalSpace(
        {
            "MENTALSPACE_HOME": str(home),
            "MENTALSPACE_PORT": str(free_ports()),
            "MENTALSPACE_MASTER_KEY": base64.urlsafe_b64encode(master_key).decode(),
            "DATABASE_URL": admin_url,
        }
    )
    await app._prepare(admin_url, lambda _line: None)
    async with app.open_services(pool_size=4) as services:
        async with services.database.as_dispatcher() as connection:
            rows = await connection.fetch("select id from practice order by is_default desc")
        yield Office(services, rows[0]["id"], rows[1]["id"])
