"""Two providers in one room: one breaks in every way, everything arrives, nothing twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from mentalspace.engine.db import connect_owner
from tests.house import House, until

MAILS = 24
# In the order in which they are met; the last one stays.
TROUBLE: tuple[dict[str, Any], ...] = (
    {"kind": "status", "http": 500, "when": "after", "times": 3},
    {"kind": "reset", "when": "after", "times": 3},
    {"kind": "hang", "when": "after", "times": 1},
    {"kind": "status", "http": 503},
)


async def test_a_provider_breaks_in_the_middle(house: House) -> None:
    """Resend takes mails and answers 500, resets, is silent, then is down: each mail reaches its
    client by one of the two providers, and none by both or twice by one."""
    async with connect_owner(house.services.admin_url) as owner:
        await owner.execute("update credential set fail_over_after_s = 1")
    await book(house, range(6))
    await until(lambda: arrived(house, 6))
    for fault in reversed(TROUBLE):  # the newest is met first
        await house.sandbox("POST", "/faults", {"room": "email", "provider": "resend", **fault})
    await book(house, range(6, MAILS))
    await until(lambda: waiting(house, only={"unknown"}), within_s=60)
    by_relay = await mailbox(house, "smtp")
    assert by_relay, "what had surely not left went through the relay"
    unknown = Counter(row["status"] for row in await house.deliveries())["unknown"]
    assert 0 < unknown <= 7, "what Resend had taken without a word waits for its word"

    await house.sandbox("DELETE", "/faults?room=email")
    async with connect_owner(house.services.admin_url) as owner:
        await owner.execute("update credential_state set open_until = clock_timestamp()")
        await owner.execute("update delivery set next_attempt_at = app.now()")
    await until(lambda: arrived(house, MAILS), within_s=60)
    by_resend = await mailbox(house, "resend")
    reached = Counter(by_resend + await mailbox(house, "smtp"))
    assert reached == Counter(f"client{n}@demo.example" for n in range(MAILS))
    summary = await house.sandbox("GET", "/summary")
    assert [account["accepted_twice"] for account in summary.values()] == [0] * len(summary)

    await house.book("afterwards@demo.example", external_id="afterwards")
    await until(lambda: arrived(house, MAILS + 1))
    assert "afterwards@demo.example" in await mailbox(house, "resend"), "the first is first again"


async def book(house: House, numbers: range) -> None:
    await asyncio.gather(
        *(house.book(f"client{n}@demo.example", external_id=f"a-{n}") for n in numbers)
    )


async def waiting(house: House, *, only: set[str]) -> bool:
    """Whether nothing is left but what has arrived and what is in these states."""
    rows = await house.deliveries()
    return {row["status"] for row in rows} <= {"accepted", "delivered", *only}


async def arrived(house: House, count: int) -> bool:
    statuses = [row["status"] for row in await house.deliveries()]
    return len(statuses) == count and set(statuses) <= {"accepted", "delivered"}


async def mailbox(house: House, provider: str) -> list[str]:
    """Everybody whom this provider has taken a mail for, as often as it took one."""
    items = await house.sandbox("GET", "/mailbox?room=email&limit=10000")
    return [to for item in items if item["provider"] == provider for to in item["content"]["to"]]
