"""Reminders while time passes, and while nobody looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from mentalspace.practice.reminder_policy import save_policy
from mentalspace.workflows.appointments import book
from mentalspace.workflows.demo import system_claims
from tests.house import House, new_appointment, until

WEEK, DAY, TWO_HOURS = 10080, 1440, 120
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


async def test_missed_hours_are_caught_up_and_nothing_pointless_goes(house: House) -> None:
    """After days without a tick the reminder that is still useful goes at once; those a later
    one has overtaken expire and say so; each that goes, goes once."""
    async with house.services.database.as_user(system_claims(house.practice_id)) as connection:
        await save_policy(connection, house.practice_id, (WEEK, DAY, TWO_HOURS), 24)
    await house.book(hours=240)
    await until(lambda: _are(house, "delivered", "pending", "pending", "pending"))
    await house.advance(timedelta(hours=230))
    await until(lambda: _are(house, "delivered", "expired", "delivered", "pending"))
    week = (await house.deliveries())[1]
    assert await house.timeline(week["id"]) == ["delivery_created", "expired"]
    await house.advance(timedelta(hours=9))
    await until(lambda: _are(house, "delivered", "expired", "delivered", "delivered"))
    mails: list[dict[str, Any]] = await house.sandbox("GET", "/mailbox")
    assert len(mails) == 3


async def test_a_reminder_leaves_by_the_clients_clock_when_the_clocks_change(house: House) -> None:
    """For ten o'clock on the day of each zone's next change, the reminder leaves at ten the day
    before: two minutes earlier it waits, then it goes, though no two days are equally long."""
    spans = {}
    for zone in ("America/New_York", "Europe/Madrid", "Australia/Lord_Howe", "America/Phoenix"):
        day = next_change(zone, house.services.clock.now() + timedelta(days=3))
        starts_at = datetime(day.year, day.month, day.day, 10, tzinfo=ZoneInfo(zone))
        new = replace(
            new_appointment(f"{zone[-6:]}@demo.example", starts_at.astimezone(UTC), zone),
            client_timezone=zone,
        )
        await book(house.services, system_claims(house.practice_id), new)
        leaves_at = (starts_at - timedelta(days=1)).astimezone(UTC)  # on the wall, not elapsed
        spans[leaves_at] = starts_at.astimezone(UTC) - leaves_at
    for number, leaves_at in enumerate(sorted(spans)):
        await house.advance(leaves_at - MINUTE - house.services.clock.now())
        assert await _left(house) == number
        await house.advance(MINUTE + MINUTE / 6)
        await until(partial(_is_left, house, number + 1))
    half = HOUR / 2
    assert {abs(span - timedelta(days=1)) for span in spans.values()} == {HOUR, half, 0 * HOUR}


def next_change(zone: str, after: datetime) -> datetime:
    """Midnight of the day on which the zone's clock jumps next; New York's if it never does."""
    today = datetime(after.year, after.month, after.day, tzinfo=ZoneInfo(zone))
    days = [today + timedelta(days=number) for number in range(366)]
    jumps = (a for a, b in pairwise(days) if a.utcoffset() != b.utcoffset())
    return next(jumps, None) or next_change("America/New_York", after)


async def _left(house: House) -> int:
    """How many reminders are on their way or there."""
    deliveries = await house.deliveries()
    return sum(d["kind"] == "reminder" and d["status"] != "pending" for d in deliveries)


async def _is_left(house: House, wanted: int) -> bool:
    return await _left(house) == wanted


async def _are(house: House, *wanted: str) -> bool:
    return [delivery["status"] for delivery in await house.deliveries()] == list(wanted)
