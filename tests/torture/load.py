"""Front desks that book all the time. Only what was acknowledged counts as booked."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID
from zoneinfo import ZoneInfo

from mentalspace.engine.services import Services
from mentalspace.kernel.phi import Phi
from mentalspace.practice.appointment import NewAppointment
from mentalspace.workflows.appointments import book
from mentalspace.workflows.demo import system_claims
from tests.torture.installation import AWAY

AT_ONCE = 20
BOOK_WITHIN_S = 20.0
SHARE_WITH_REMINDER = 0.4
# More waiting than this, and no more is booked: what stands in a queue when somebody is killed
# proves nothing that the first thousand do not, and the quiet afterwards would be long.
MOST_WAITING = 2_000
LOOK_EVERY_S = 1.0
SHARE_BOUNCING = 0.03
# How long after its booking a reminder is due. The clock moves while the booking is written:
# three minutes keep it on its side of a day. Those of some minutes come due together, in a batch.
SHORTEST_LEAD, LONGEST_LEAD = timedelta(minutes=3), timedelta(minutes=8)

_WAITING = """
select count(*) from (
  select from delivery where status in ('pending', 'due') and due_at <= app.now() limit $1) standing
"""
_EVEN_ZONES = (
    "Pacific/Honolulu", "America/Phoenix", "America/Bogota", "America/Sao_Paulo", "Africa/Lagos",
    "Africa/Nairobi", "Asia/Kolkata", "Asia/Shanghai", "Asia/Tokyo", "Pacific/Noumea",
    "Pacific/Tongatapu",
)  # fmt: skip
_FIRST = "Quillon Zephrina Thandeka Wolfhart Ysolde Bartholome Xanthe Evander".split()
_LAST = "Featherstonehaugh Okonkwo-Reyes Villanueva Szczepanski Abernathy Lindqvist".split()


@dataclass(frozen=True, slots=True)
class Booking:
    """One acknowledged booking, and what it must lead to: rooms, and kinds of message."""

    appointment_id: UUID
    kinds: frozenset[tuple[str, str]]


@dataclass(slots=True)
class Load:
    """Books `per_s` appointments a second, in all practices by turns, until told to stop; none
    while what is booked already waits for a provider."""

    services: Services
    practices: list[UUID]
    random: Random
    per_s: float
    most_waiting: int = MOST_WAITING
    share_bouncing: float = SHARE_BOUNCING
    acknowledged: list[Booking] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    private: set[str] = field(default_factory=set)
    _number: int = 0

    @asynccontextmanager
    async def booking(self) -> AsyncIterator[None]:
        """It books meanwhile; what is under way at the end is waited for."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.run(stop))
        try:
            yield
        finally:
            stop.set()
            await task

    async def run(self, stop: asyncio.Event) -> None:
        """What is under way when `stop` comes is waited for."""
        room = asyncio.Semaphore(AT_ONCE)
        look_at = 0.0
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                if time.monotonic() >= look_at:
                    look_at = time.monotonic() + LOOK_EVERY_S
                    if await self._much_waits():
                        await asyncio.sleep(LOOK_EVERY_S)
                        continue
                await room.acquire()
                task = group.create_task(self._book())
                task.add_done_callback(lambda _task: room.release())
                await asyncio.sleep(self.random.expovariate(self.per_s))

    async def _much_waits(self) -> bool:
        try:
            async with (
                asyncio.timeout(BOOK_WITHIN_S),
                self.services.database.as_dispatcher() as connection,
            ):
                waiting: int = await connection.fetchval(_WAITING, self.most_waiting)
        except AWAY:
            return False
        return waiting >= self.most_waiting

    async def _book(self) -> None:
        self._number += 1
        practice_id = self.practices[self._number % len(self.practices)]
        new, kinds = self._made_up(self._number)
        try:
            async with asyncio.timeout(BOOK_WITHIN_S):
                booked = await book(self.services, system_claims(practice_id), new)
        except AWAY as error:
            # Not acknowledged: it may be there or not, and nobody was promised anything.
            self.failed[type(error).__name__] += 1
        else:
            self.acknowledged.append(Booking(booked.appointment_id, kinds))

    def _made_up(self, number: int) -> tuple[NewAppointment, frozenset[tuple[str, str]]]:
        first, last = self.random.choice(_FIRST), self.random.choice(_LAST)
        name, phone = f"{first} {last}", f"+1 212 {2_000_000 + number}"
        email = f"{first}.{last}.{number}@demo.example".lower()
        if self.random.random() < self.share_bouncing:
            email = f"bounced+{first}{number}@resend.dev".lower()
        # Not the bare number: seven digits stand in some identifier by chance.
        self.private |= {name, first, last, email, phone, f"1212{2_000_000 + number}"}
        reminded = self.random.random() < SHARE_WITH_REMINDER
        lead = (
            timedelta(hours=24)
            + SHORTEST_LEAD
            + self.random.random() * (LONGEST_LEAD - SHORTEST_LEAD)
            if reminded
            else timedelta(hours=self.random.uniform(16, 23.8))
        )
        new = NewAppointment(
            external_id=f"torture-{number}",
            client_external_id=f"torture-{number}",
            client_name=Phi(name),
            client_email=Phi(email),
            client_phone=Phi(phone),
            client_timezone=_where_it_is_morning(self.services.clock.now()),
            client_language="en",
            clinician_email=None,
            starts_at=self.services.clock.now() + lead,
            duration_min=50,
        )
        kinds = {"appointment_created"} | ({"reminder"} if reminded else set())
        return new, frozenset((room, kind) for room in ("email", "sms") for kind in kinds)


def _where_it_is_morning(now: datetime) -> str:
    """A zone in which texts may go for hours from now, and where a day is always 24 hours."""
    return min(_EVEN_ZONES, key=lambda zone: abs(now.astimezone(ZoneInfo(zone)).hour - 9))
