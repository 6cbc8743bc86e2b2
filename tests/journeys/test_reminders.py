"""Reminders while time passes, and while nobody looks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from mentalspace.practice.reminder_policy import save_policy
from mentalspace.workflows.demo import system_claims
from tests.house import House, until

WEEK, DAY, TWO_HOURS = 10080, 1440, 120


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


async def _are(house: House, *wanted: str) -> bool:
    return [delivery["status"] for delivery in await house.deliveries()] == list(wanted)
