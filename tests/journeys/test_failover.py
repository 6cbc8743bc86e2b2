"""Two providers in one room: one breaks in every way, everything arrives, nothing twice."""

from __future__ import annotations

import asyncio
import html
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from mentalspace.engine.db import connect_owner
from mentalspace.main import DEMO_PASSWORD
from mentalspace.workflows.doctor.examine import examine
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


async def test_what_went_over_is_told_in_words(house: House) -> None:
    """The fleet, the incident, the message, the doctor and the command line say who took over."""
    async with connect_owner(house.services.admin_url) as owner:
        await owner.execute("update credential set fail_over_after_s = 1")
    fault = {"room": "email", "provider": "resend", "kind": "status", "http": 503}
    await house.sandbox("POST", "/faults", fault)
    await book(house, range(6))
    await until(lambda: arrived(house, 6))
    [incident] = await until(house.incidents)
    message = (await house.deliveries())[0]["id"]
    async with person(house) as http:
        fleet = await page(http, "/")
        assert "First choice. After 1 s of trouble, what waits goes on through SMTP relay." in fleet
        assert "Second choice: takes over what waits when Resend is out." in fleet
        assert "6 messages went over to SMTP relay in the last hour, the last" in fleet
        story = await page(http, f"/incidents/{incident['id']}")
        assert "6 messages went over to SMTP relay, because Resend keeps failing" in story
        told = await page(http, f"/messages/{message}")
    assert "Went over to SMTP relay, because Resend keeps failing" in told
    assert "Resend answered 503" in told
    assert "SMTP relay took it" in told
    assert "SMTP relay does not say what becomes of what it took." in told
    findings = (await examine(house.services, "email"))[0].findings
    [failover] = [f for f in findings if f.check == "failover"]
    assert failover.subject == "resend/default"
    assert failover.text.endswith("goes on through smtp/default-smtp; 6 did in the last hour")


@asynccontextmanager
async def person(house: House) -> AsyncIterator[aiohttp.ClientSession]:
    """The demo's on-call engineer, logged in to the console."""
    jar = aiohttp.CookieJar(unsafe=True)  # the console is at an address without a name
    async with aiohttp.ClientSession(house.url, cookie_jar=jar, raise_for_status=True) as http:
        token = re.search(r'name="token" value="([^"]+)"', await page(http, "/login"))
        assert token is not None
        form = {"email": "oncall@demo.example", "password": DEMO_PASSWORD, "token": token[1]}
        await http.post("/login", data=form)
        yield http


async def page(http: aiohttp.ClientSession, path: str) -> str:
    async with http.get(path) as answer:
        return re.sub(r"\s+", " ", html.unescape(await answer.text()))
