"""Where everything is measured: a whole installation of real processes, and mails to put in."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import aiohttp

from mentalspace.emulator.accounts import account_id
from mentalspace.engine.credentials import read_secrets
from mentalspace.engine.db import connect_owner
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.engine.services import Services
from mentalspace.integrations.email.model import Attachment, Mail
from mentalspace.kernel.integration import LaneClass
from mentalspace.kernel.phi import Phi
from mentalspace.workflows.demo import system_claims
from mentalspace.workflows.sandbox_keeping import call_sandbox
from tests.torture.installation import Installation, installed

UNLIMITED_PER_S = 100_000
AT_ONCE = 4
ENDS_WITHIN_S = 120.0

# What keeps a mail out of a batch.
INVITATION = Attachment("appointment.ics", "text/calendar", "QkVHSU46VkNBTEVOREFSDQo=")


@dataclass(frozen=True, slots=True)
class Stage:
    """`endpoint` is the default practice's, `secrets` what its account at the sandbox knows."""

    installation: Installation
    services: Services
    http: aiohttp.ClientSession
    practice_id: UUID
    endpoint: str
    secrets: dict[str, str]

    @property
    def sandbox(self) -> str:
        """Resend, as played here."""
        return f"{self.services.settings.sandbox_url}/email/resend"

    @property
    def account(self) -> str:
        return account_id("email", "resend", self.secrets["api_key"])

    async def limit(self, per_s: int) -> None:
        """What the sandbox allows our account, and what we keep to."""
        await self.account_change(rate_per_s=per_s)
        await self.owner("update credential set rate_per_s = $1", float(per_s))
        await self.owner(
            "update credential_state set next_slot_at = clock_timestamp(), named_limit = null,"
            " slow_until = null"
        )

    async def account_change(self, **fields: Any) -> None:
        path = f"/accounts/email/resend/{self.account}"
        await call_sandbox(self.services, "PATCH", path, fields)

    async def another_account(self, key: str, per_s: int) -> str:
        """A customer of the sandbox for a peer; its id."""
        body = {"api_key": key, "rate_per_s": per_s}
        made = await call_sandbox(self.services, "PUT", "/accounts/email/resend", body)
        return str(made["id"])

    async def owner(self, sql: str, *values: Any) -> Any:
        """One statement as the database's owner; its first value."""
        async with connect_owner(self.services.admin_url) as connection:
            return await connection.fetchval(sql, *values)

    async def put_in(
        self,
        count: int,
        *,
        lane_class: LaneClass = "bulk",
        attachments: tuple[Attachment, ...] = (),
        kind: str = "reminder",
    ) -> list[UUID]:
        """So many mails to as many people, due at once; their ids."""
        run = secrets.token_hex(4)

        async def some(numbers: range) -> list[UUID]:
            ids = []
            for number in numbers:
                async with self.services.database.as_user(
                    system_claims(self.practice_id)
                ) as connection:
                    made = mail(f"{run}-{number}@demo.example", kind, attachments)
                    new = self._delivery(made, f"bench/{run}/{number}", lane_class)
                    delivery_id = await enqueue(connection, self.services.vault, new)
                    assert delivery_id is not None
                    ids.append(delivery_id)
            return ids

        parts = [range(start, count, AT_ONCE) for start in range(min(AT_ONCE, count))]
        return [each for part in await asyncio.gather(*map(some, parts)) for each in part]

    def _delivery(self, made: Mail, key: str, lane_class: LaneClass) -> NewDelivery:
        return NewDelivery(
            practice_id=self.practice_id,
            integration="email",
            lane_class=lane_class,
            kind=made.kind,
            idempotency_key=key,
            payload=made.to_bytes(),
            recipient=Phi(made.to),
            expires_at=self.services.clock.now() + timedelta(hours=12),
        )

    async def until_accepted(self, ids: list[UUID], within_s: float = ENDS_WITHIN_S) -> None:
        """One connection, and a question that costs the database next to nothing."""
        left = list(ids)
        async with connect_owner(self.services.admin_url) as connection, asyncio.timeout(within_s):
            while left:
                accepted = await connection.fetchval(
                    "select accepted_at is not null from delivery where id = $1", left[-1]
                )
                if accepted:
                    left.pop()
                else:
                    await asyncio.sleep(0.02)

    async def clear_ledger(self) -> None:
        """Nothing of what was measured before stands in the way of what comes."""
        await self.owner(
            "update delivery set status = 'cancelled' where status in ('pending', 'due', 'held')"
        )


@asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    """An installation of its own in a temporary home, gone afterwards."""
    async with (
        installed() as installation,
        installation.app.open_services() as services,
        aiohttp.ClientSession() as http,
    ):
        async with connect_owner(services.admin_url) as owner:
            practice_id = await owner.fetchval("select id from practice where is_default")
            endpoint = await owner.fetchval(
                "select endpoint from credential where practice_id = $1 and integration = 'email'"
                " and provider = 'resend' and drill is null",
                practice_id,
            )
            found = await read_secrets(owner, services.vault, "email", endpoint)
        assert found is not None
        yield Stage(installation, services, http, practice_id, endpoint, found)


def mail(to: str, kind: str = "reminder", attachments: tuple[Attachment, ...] = ()) -> Mail:
    """A mail as long as those the practice sends."""
    return Mail(
        sender="noreply@mentalspace.app",
        reply_to="support@mentalspace.app",
        to=to,
        subject="Reminder: your appointment on Tuesday",
        text="This is a reminder of your appointment.\n" * 10,
        html="<p>This is a reminder of your appointment.</p>" * 20,
        kind=kind,
        attachments=attachments,
    )


async def until(
    holds: Callable[[], Awaitable[bool]], within_s: float = ENDS_WITHIN_S, every_s: float = 0.02
) -> None:
    """Wait until it holds. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not await holds():
            await asyncio.sleep(every_s)


async def listens(port: int) -> bool:
    """Whether somebody answers on this port of ours."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
