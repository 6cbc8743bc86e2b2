"""Background traffic of a game day: ordinary messages of an ordinary practice, which no drill may
delay, lose or double."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mentalspace.emulator.accounts import account_id
from mentalspace.engine.credentials import read_secrets
from mentalspace.engine.db import connect_owner
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.engine.services import Services
from mentalspace.integrations.sms.model import Text
from mentalspace.kernel.phi import Phi
from mentalspace.practice.appointment import NewAppointment
from mentalspace.practice.tenancy import endpoint_of, ensure_practice
from mentalspace.workflows.appointments import book
from mentalspace.workflows.demo import DemoPractice, sandbox_credentials, system_claims
from mentalspace.workflows.game_day import SPOKEN
from mentalspace.workflows.sandbox_keeping import call_sandbox, keep_sandbox

PRACTICE = DemoPractice("game-day", "Game day", "UTC", "+1 555 0102", False)
SETTLE_WITHIN_S = 45.0

_FARED = """
select count(*) as sent,
       count(*) filter (where status in ('accepted', 'delivered')) as arrived,
       count(*) filter (where status in ('pending', 'due', 'sending', 'unknown')) as under_way,
       count(*) filter (where attempts > 1) as tried_again,
       percentile_cont(array[0.5, 0.95, 1.0]) within group (order by
         greatest(extract(epoch from accepted_at - due_at), 0)::float8) as waited_s
  from delivery where practice_id = $1 and drill is null and created_at >= $2
   and status <> 'cancelled'
"""
_TOUCHED = """
select (select count(*) from incident
         where practice_id = $1 and opened_at >= $2) as incidents,
       (select count(*) from attempt
         where practice_id = $1 and drill is null and case_id is not null
           and started_at >= $2) as failed_tries,
       (select array_agg(distinct case_id order by case_id) from attempt
         where practice_id = $1 and drill is null and case_id is not null
           and started_at >= $2) as cases
"""


@dataclass(frozen=True, slots=True)
class Fared:
    """How the background fared. `waited_s` are median, 95th percentile and longest, from when a
    message was due until the provider had it; None without any."""

    sent: int = 0
    arrived: int = 0
    under_way: int = 0
    tried_again: int = 0
    twice: int = 0
    failed_tries: int = 0
    cases: tuple[str, ...] = ()
    incidents: int = 0
    per_minute: float = 0.0
    waited_s: tuple[float, float, float] | None = None

    @property
    def lost(self) -> int:
        """What neither arrived nor is on its way."""
        return self.sent - self.arrived - self.under_way

    @property
    def untouched(self) -> bool:
        """Whether nothing was lost, doubled, left waiting or alarmed of. A try that failed and was
        made good is told beside it: on a busy machine it need not be a drill's doing."""
        return not (self.lost or self.under_way or self.twice or self.incidents)

    def public(self) -> dict[str, Any]:
        waited = dict(zip(("median", "p95", "max"), self.waited_s or (), strict=False))
        return {
            "sent": self.sent,
            "arrived": self.arrived,
            "under_way": self.under_way,
            "lost": self.lost,
            "twice": self.twice,
            "tried_again": self.tried_again,
            "failed_tries": self.failed_tries,
            "cases": list(self.cases),
            "incidents": self.incidents,
            "per_minute": self.per_minute,
            "waited_s": {name: round(seconds, 3) for name, seconds in waited.items()},
        }


@dataclass(slots=True)
class Background:
    """`accounts` are the sandbox's public ids of the practice's own keys; `twice_before` what they
    had taken twice when it began."""

    services: Services
    practice_id: UUID
    per_minute: float
    name: str
    accounts: list[str]
    since: datetime
    twice_before: int = 0
    made: int = 0
    began: float = field(default_factory=time.monotonic)

    async def run(self) -> None:
        """One message after another, evenly, each room in its turn; until cancelled."""
        rooms = [room for room in self.services.rooms if room in SPOKEN]
        while rooms and self.per_minute:
            room = rooms[self.made % len(rooms)]
            self.made += 1
            await self._send(room, self.made)
            due = self.began + self.made * 60 / self.per_minute
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def settle(self) -> Fared:
        """How it fared, once everything has arrived or had the time to."""
        ends = time.monotonic() + SETTLE_WITHIN_S
        while True:
            fared = await self.fared()
            if not fared.under_way or time.monotonic() > ends:
                return fared
            await asyncio.sleep(0.5)

    async def fared(self) -> Fared:
        async with self.services.database.as_dispatcher() as connection:
            row = await connection.fetchrow(_FARED, self.practice_id, self.since)
        async with self.services.database.as_oncall() as connection:
            touched = await connection.fetchrow(_TOUCHED, self.practice_id, self.since)
        assert row is not None
        assert touched is not None
        waited = row["waited_s"]
        whole = waited is not None and None not in waited
        return Fared(
            sent=row["sent"],
            arrived=row["arrived"],
            under_way=row["under_way"],
            tried_again=row["tried_again"],
            twice=max(0, await _taken_twice(self.services, self.accounts) - self.twice_before),
            failed_tries=touched["failed_tries"],
            cases=tuple(touched["cases"] or ()),
            incidents=touched["incidents"],
            per_minute=self.per_minute,
            waited_s=tuple(waited) if whole else None,
        )

    async def _send(self, room: str, number: int) -> None:
        match room:
            case "email":
                await self._book(number)
            case "sms":
                await self._text(number)

    async def _text(self, number: int) -> None:
        text = ordinary_text(self.name, number)
        new = NewDelivery(
            practice_id=self.practice_id,
            integration="sms",
            lane_class="interactive",
            kind="sample",
            idempotency_key=f"sms/game-day/{self.name}/{number}",
            payload=text.to_bytes(),
            recipient=Phi(text.to),
        )
        async with self.services.database.as_user(system_claims(self.practice_id)) as connection:
            await enqueue(connection, self.services.vault, new)

    async def _book(self, number: int) -> None:
        """As a front desk does: within a day there is one mail and no reminder."""
        name = f"{self.name}-{number}"
        new = NewAppointment(
            external_id=name,
            client_external_id=f"client-{number % 40}",
            client_name=Phi("Background Client"),
            client_email=Phi(f"background{number % 40}@demo.example"),
            client_phone=None,
            client_timezone=None,
            client_language="en",
            clinician_email=None,
            starts_at=self.services.clock.now() + timedelta(hours=20),
            duration_min=50,
        )
        await book(self.services, system_claims(self.practice_id), new)


def ordinary_text(name: str, number: int) -> Text:
    """No two are alike, on no two game days: the sandbox knows by the content what it took twice.
    One game day's name in twenty reads like somebody's number, and nobody is known by it."""
    says = f"A test of the connection, {name} number {number}."
    return Text(f"+12025550{120 + number % 80}", says, "sample", "en", may_say=(name,))


async def open_background(services: Services, per_minute: float, name: str) -> Background:
    """The game day's own practice, with an ordinary credential of each provider played here."""
    async with connect_owner(services.admin_url) as owner, owner.transaction():
        practice_id = await ensure_practice(
            owner,
            PRACTICE.slug,
            name=PRACTICE.name,
            timezone=PRACTICE.timezone,
            phone=PRACTICE.phone,
            is_drill=True,
        )
        await sandbox_credentials(
            owner, services.vault, services.rooms, services.settings, PRACTICE, practice_id
        )
        accounts = [
            account_id(room, provider, customer)
            for room, provider, customer in await _customers(services, owner)
        ]
    await keep_sandbox(services)
    return Background(
        services=services,
        practice_id=practice_id,
        per_minute=per_minute,
        name=name,
        accounts=accounts,
        since=services.clock.now(),
        twice_before=await _taken_twice(services, accounts),
    )


async def _customers(services: Services, owner: Any) -> list[tuple[str, str, str]]:
    """Room, provider, and what the provider knows the practice by."""
    found = []
    for room in services.rooms.values():
        for provider in room.providers:
            endpoint = endpoint_of(PRACTICE.slug, room, provider)
            secrets = await read_secrets(owner, services.vault, room.name, endpoint)
            assert secrets is not None
            found.append((room.name, provider.name, provider.customer(secrets)))
    return found


async def _taken_twice(services: Services, accounts: list[str]) -> int:
    """How many things the sandbox took twice; it counts by the content's own mark."""
    summary: Mapping[str, Mapping[str, Any]] = await call_sandbox(services, "GET", "/summary")
    return sum(int(summary.get(account, {}).get("accepted_twice", 0)) for account in accounts)
