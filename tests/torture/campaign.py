"""The whole campaign: load, rounds of kill -9, quiet, judgment; bounded in time everywhere."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from unittest.mock import patch
from uuid import UUID

from mentalspace.engine.db import connect_owner
from mentalspace.engine.process import follow_clock
from mentalspace.engine.services import Services
from mentalspace.workflows import appointment_reminders
from mentalspace.workflows.sandbox_keeping import SandboxAway, call_sandbox
from tests.torture.installation import AWAY, Installation, installed, logs_of
from tests.torture.load import LONGEST_LEAD, Load
from tests.torture.strike import (
    VICTIMS,
    Blow,
    NotThere,
    kept_back_by_breakers,
    strike,
    wait_flowing,
    within,
)
from tests.torture.verdict import Verdict, judge, keep_unknown
from tests.torture.weather import change_weather, clear

READY_WITHIN_S = 60.0
FLOWING_WITHIN_S = 60.0
# So long without a step forward (a breaker may be open), and so long in all.
STALLED_AFTER_S = 240.0
QUIET_WITHIN_S = 900.0
# What a long campaign leaves behind would take the permitted ten a second half an hour.
LIFTED_TO_PER_S = 50
# How far the clock goes each round; a webhook signed before is still young enough afterwards, and
# what is unknown meanwhile is seen on the way to a quarter of an hour.
STEP = timedelta(seconds=90)
LONGEST_STEP = timedelta(hours=2)
FAIL_OVER_AFTER_S = 3.0
LIST_LAGS_S = 20.0
# A signature may be five minutes off.
SIGNED_AHEAD = timedelta(minutes=4)
# Both clocks are followed every half second.
FOLLOWED_AFTER_S = 1.2
SAY_EVERY_S = 10.0

_STANDING = "select status, count(*) from delivery group by status order by status"
_UNFINISHED = """
select count(*) as unfinished, min(next_attempt_at) as next_at, app.now() as now
  from delivery where status in ('pending', 'due', 'sending', 'unknown')
"""
_UNSEEN = "select exists (select from delivery where unknown_at is not null and not unknown_shown)"
_UNHEARD = """
select (select count(*) from delivery d join credential c on c.id = d.credential_id
         where d.status = 'accepted' and c.follows)
     + (select count(*) from inbox where state = 'received') as unheard,
       least((select min(next_try_at) from inbox where state = 'received'),
             (select min(d.ask_at) from delivery d join credential c on c.id = d.credential_id
               where d.status = 'accepted' and c.follows)) as next_at,
       app.now() as now
"""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much, and the seed that makes it the same again (as far as processes allow)."""

    rounds: int
    seed: int
    bookings_per_s: float = 12.0
    victims: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    blows: tuple[Blow, ...]
    verdict: Verdict
    bookings_failed: int
    violations: tuple[str, ...]
    seconds: float


async def run(plan: Plan, say: Say) -> Outcome:
    """Start an installation, torture it, judge it, and take it away."""
    began = time.monotonic()
    async with (
        installed() as installation,
        installation.app.open_services() as services,
        _no_quiet(),
    ):
        say(f"up after {time.monotonic() - began:.1f} s")
        await _fail_over_soon(services)
        await _text_everybody(services)
        await keep_unknown(services)
        random = Random(plan.seed)
        load = Load(services, await _practices(services), Random(plan.seed), plan.bookings_per_s)
        violations: list[str] = []
        async with load.booking():
            blows = await _rounds(plan, installation, services, random, violations, say)
        say(f"{len(load.acknowledged)} bookings acknowledged; waiting until it is quiet")
        await _quiet(installation, services, violations, say)
        verdict = await judge(services, load.acknowledged, load.private, logs_of(installation))
        return Outcome(
            blows=tuple(blows),
            verdict=verdict,
            bookings_failed=load.failed.total(),
            violations=(*violations, *verdict.violations),
            seconds=time.monotonic() - began,
        )


async def _fail_over_soon(services: Services) -> None:
    """In one practice what waits goes by the relay within seconds; the other has Resend alone, so
    that batches and webhooks have their share."""
    async with connect_owner(services.admin_url) as owner:
        await owner.execute(
            "update credential c set active = false from practice p"
            " where p.id = c.practice_id and p.is_default and c.provider = 'smtp'"
        )
        await owner.execute("update credential set fail_over_after_s = $1", FAIL_OVER_AFTER_S)


async def _text_everybody(services: Services) -> None:
    """Whoever is booked has agreed to texts beside the mails. Twilio's list shows a new text
    late, so that an unknown one cannot be told from one that was never taken at once."""
    async with connect_owner(services.admin_url) as owner:
        await owner.execute(
            "alter table client alter reminders_by set default 'both',"
            " alter changes_by set default 'both', alter text_agreed_at set default app.now(),"
            " disable trigger client_agreement_is_written"
        )
    await call_sandbox(services, "PUT", "/options/sms/twilio", {"list_lag_s": LIST_LAGS_S})


@asynccontextmanager
async def _no_quiet() -> AsyncIterator[None]:
    """Reminders may follow their booking within minutes: they shall be under way meanwhile."""
    with patch.object(appointment_reminders, "QUIET_AFTER_MAIL", timedelta(0)):
        yield


async def _rounds(
    plan: Plan,
    installation: Installation,
    services: Services,
    random: Random,
    violations: list[str],
    say: Say,
) -> list[Blow]:
    blows: list[Blow] = []
    for number in range(1, plan.rounds + 1):
        if not await within(installation.ready, READY_WITHIN_S):
            violations.append(f"round {number}: not ready within {READY_WITHIN_S:.0f} s")
            break
        weather = await change_weather(services, random)
        await _advance(services, STEP)
        since = datetime.now(UTC)
        if not (
            await wait_flowing(services, FLOWING_WITHIN_S)
            or await kept_back_by_breakers(services, since)
        ):
            violations.append(f"round {number}: nothing accepted for {FLOWING_WITHIN_S:.0f} s")
        victims = plan.victims[number - 1] if plan.victims else _victims(random)
        try:
            struck = await strike(installation, services, victims, random)
        except NotThere as error:
            violations.append(f"round {number}: no living process {error}")
            continue
        blows += struck
        for blow in struck:
            if blow.recovered_s is None and not blow.kept_back:
                violations.append(f"round {number}: {blow.victim} did not recover")
        told = ", ".join(blow.text for blow in struck)
        say(f"round {number:2}  {weather:<14} killed: {told}")
    return blows


def _victims(random: Random) -> tuple[str, ...]:
    """One, and now and then two at once. The worker holds the most, so it dies the most."""
    first = random.choices(VICTIMS, (4, 2, 3, 2))[0]
    if random.random() < 0.75:
        return (first,)
    return (first, random.choice([name for name in VICTIMS if name != first]))


async def _quiet(
    installation: Installation, services: Services, violations: list[str], say: Say
) -> None:
    """Heal everything, then wait for the mails, then for word of them."""
    if not await within(installation.ready, READY_WITHIN_S):
        violations.append("not ready after the last round")
        return
    await clear(services)
    await _lift_limit(services)
    for _ in range(LONGEST_LEAD // STEP + 1):
        await _advance(services, STEP)
    await _until_none(services, _UNFINISHED, say)
    await _until_none(services, _UNHEARD, say)


async def _lift_limit(services: Services) -> None:
    """The providers permit more, and we know of it."""
    more = {"rate_per_s": LIFTED_TO_PER_S}
    await call_sandbox(services, "PUT", "/options/email/resend", more)
    more = {"segments_per_s": LIFTED_TO_PER_S}
    await call_sandbox(services, "PUT", "/options/sms/twilio", more)
    async with connect_owner(services.admin_url) as owner:
        await owner.execute(
            "update credential set rate_per_s = $1 where provider in ('resend', 'twilio')",
            float(LIFTED_TO_PER_S),
        )


async def _until_none(services: Services, query: str, say: Say) -> None:
    """Until the query counts nought, moving the clock to whatever waits for an hour."""
    ends = time.monotonic() + QUIET_WITHIN_S
    say_at = time.monotonic() + SAY_EVERY_S
    least, stalls_at = math.inf, 0.0
    while time.monotonic() < ends:
        async with connect_owner(services.admin_url) as owner:
            row = await owner.fetchrow(query)
            unseen = await owner.fetchval(_UNSEEN)
            if time.monotonic() > say_at:
                say_at += SAY_EVERY_S
                standing = await owner.fetch(_STANDING)
                say("  " + ", ".join(f"{count} {status}" for status, count in standing))
        assert row is not None
        if row[0] < least:
            least, stalls_at = row[0], time.monotonic() + STALLED_AFTER_S
        if row[0] == 0 or time.monotonic() > stalls_at:
            return
        hours = [at for at in (row["next_at"], await _next_webhook(services)) if at is not None]
        ahead = min(hours, default=row["now"]) - row["now"]
        if ahead > timedelta(seconds=2):
            step = STEP if unseen else min(max(ahead, 2 * STEP), LONGEST_STEP)
            await _advance(services, step)
        await asyncio.sleep(0.5)


async def _next_webhook(services: Services) -> datetime | None:
    try:
        pending = await call_sandbox(services, "GET", "/webhooks?pending=true&limit=100000")
    except SandboxAway:
        return None  # busy sending them; it is asked again in a moment
    return min((datetime.fromisoformat(hook["due_at"]) for hook in pending), default=None)


async def _advance(services: Services, by: timedelta) -> None:
    """Move both clocks: the sandbox's first, or a text it has just taken would be minutes old to
    us while its list does not show it yet. By more than a webhook's signature may be off, the
    sandbox's once everybody else has noticed."""
    try:
        if by <= SIGNED_AHEAD:
            await _move_sandbox(services, services.clock.offset + by)
        async with services.database.as_dispatcher() as connection:
            await connection.fetchval("select app.advance_clock($1)", by)
        await follow_clock(services.database, services.clock)
        await asyncio.sleep(FOLLOWED_AFTER_S)
        await _move_sandbox(services, services.clock.offset)
    except AWAY:
        return  # somebody is away; the worker's own keeping will see to it


async def _move_sandbox(services: Services, offset: timedelta) -> None:
    await call_sandbox(services, "PUT", "/clock", {"offset_s": offset.total_seconds()})


async def _practices(services: Services) -> list[UUID]:
    async with services.database.as_dispatcher() as connection:
        rows = await connection.fetch("select id from practice where not is_drill order by slug")
    return [row["id"] for row in rows]
