"""One round: kill -9 somebody at a random moment, and measure how long the house limps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random

from mentalspace.cli.living import Mark
from mentalspace.engine.services import Services
from tests.torture.installation import AWAY, Installation, kill

VICTIMS = ("worker", "api", "postgres", "sandbox")
RECOVER_WITHIN_S = 60.0
LOOK_EVERY_S = 0.05

# The last part of a worker's name sets it apart from one with the same pid.
_SUCCEEDED_SINCE = """
select exists (select from attempt where state = 'succeeded' and finished_at > $1
                and split_part(worker, ':', 3) <> $2)
"""
# A living worker that may send nothing: every breaker with work behind it keeps that back for a
# while yet. One whose time is over and that still lets nobody try is a fault, and not this.
_KEPT_BY_BREAKERS = """
select exists (select from heartbeat
                where kind = 'worker' and beat_at > $1 and split_part(process, ':', 3) <> $2)
   and not exists (
     select from credential c join credential_state s on s.credential_id = c.id
      where c.active
        and (s.breaker <> 'open' or s.open_until < clock_timestamp() - interval '5 s')
        and exists (select from delivery d where d.credential_id = c.id
                     and d.status in ('pending', 'due') and d.due_at <= app.now()))
"""
_POSTMASTER_AFTER = "select pg_postmaster_start_time() > $1"
_BREAKERS_CLOSED = "select bool_and(breaker = 'closed') from credential_state"


@dataclass(frozen=True, slots=True)
class Blow:
    """`recovered_s` is None if it did not within the limit; `breaker_open` says that waiting for
    the provider was part of it, `kept_back` that it was all of it."""

    victim: str
    recovered_s: float | None
    breaker_open: bool
    kept_back: bool = False

    @property
    def text(self) -> str:
        if self.recovered_s is None:
            return f"{self.victim} {'kept back by open breakers' if self.kept_back else 'never'}"
        return f"{self.victim} {self.recovered_s:.1f} s" + (
            " (breaker open)" if self.breaker_open else ""
        )


class NotThere(Exception):
    """`status --json` shows no living process of that name."""


async def strike(
    installation: Installation, services: Services, victims: tuple[str, ...], random: Random
) -> list[Blow]:
    """Kill all victims at one random moment; how each recovered."""
    marks = {victim: await installation.victim(victim) for victim in victims}
    await asyncio.sleep(random.uniform(0.0, 2.0))
    struck: list[tuple[str, Mark]] = []
    for victim, mark in marks.items():
        if mark is None or not mark.alive:
            raise NotThere(victim)
        struck.append((victim, mark))
    at, began = services.clock.now(), time.monotonic()
    for _, mark in struck:
        kill(mark)
    return list(
        await asyncio.gather(
            *(_recovery(installation, services, victim, mark, at, began) for victim, mark in struck)
        )
    )


async def _recovery(
    installation: Installation,
    services: Services,
    victim: str,
    mark: Mark,
    at: datetime,
    began: float,
) -> Blow:
    while mark.alive:
        await asyncio.sleep(0.005)

    async def works_again() -> bool:
        match victim:
            case "worker":
                return await _true(services, _SUCCEEDED_SINCE, at, str(mark.pid))
            case "postgres":
                since = at - services.clock.offset
                new = await _true(services, _POSTMASTER_AFTER, since)
                return new and await installation.answers(installation.ready_url)
            case "sandbox":
                return await installation.answers(installation.sandbox_alive_url)
            case _:
                return await installation.answers(installation.ready_url)

    waited = False

    async def seen() -> bool:
        nonlocal waited
        if await works_again():
            return True
        waited = waited or (victim == "worker" and not await _true(services, _BREAKERS_CLOSED))
        return False

    if await within(seen, RECOVER_WITHIN_S - (time.monotonic() - began)):
        return Blow(victim, time.monotonic() - began, waited)
    kept_back = victim == "worker" and await kept_back_by_breakers(
        services, at - services.clock.offset, str(mark.pid)
    )
    return Blow(victim, None, waited, kept_back)


async def wait_flowing(services: Services, within_s: float) -> bool:
    """Until deliveries are being accepted: a kill while nothing moves proves little."""
    since = services.clock.now()
    return await within(lambda: _true(services, _SUCCEEDED_SINCE, since, ""), within_s)


async def kept_back_by_breakers(services: Services, since: datetime, old_pid: str = "") -> bool:
    """Whether a worker has lived since then (in real time) and may send nothing yet."""
    return await _true(services, _KEPT_BY_BREAKERS, since, old_pid)


async def within(holds: Callable[[], Awaitable[bool]], limit_s: float) -> bool:
    """Whether it came true in time."""
    ends = time.monotonic() + limit_s
    while not await holds():
        if time.monotonic() > ends:
            return False
        await asyncio.sleep(LOOK_EVERY_S)
    return True


async def _true(services: Services, query: str, *values: object) -> bool:
    """The query's answer; False while the database is away."""
    try:
        async with asyncio.timeout(5), services.database.as_oncall() as connection:
            return bool(await connection.fetchval(query, *values))
    except AWAY:
        return False
