"""An appointment becomes a mail, and what happens to the mail comes back."""

from __future__ import annotations

from datetime import timedelta

import aiohttp
import pytest

from mentalspace.emulator.accounts import account_id
from mentalspace.workflows.appointments import cancel, reschedule
from mentalspace.workflows.demo import system_claims
from mentalspace.workflows.demo_oncall import ENGINEERS
from mentalspace.workflows.sandbox_keeping import keep_sandbox
from tests.console.test_doors import _csrf as csrf_of
from tests.console.test_doors import log_in
from tests.house import House, stored_secrets, until


async def test_a_booking_is_delivered(house: House) -> None:
    """A booked appointment's mail goes out, is accepted, and its webhook says delivered."""
    await house.book()
    await until(lambda: _statuses(house, ["delivered"]))
    [delivery] = await house.deliveries()
    assert delivery["attempts"] == 1
    kinds = await house.timeline(delivery["id"])
    assert kinds[:3] == ["delivery_created", "attempt_opened", "accepted"]
    assert "provider_event" in kinds
    [mail] = await house.sandbox("GET", "/mailbox")
    assert "Testa" not in str(mail)


async def test_the_reminder_goes_a_day_ahead(house: House) -> None:
    """The reminder waits for its day, follows the clock, and is dropped when the day changes."""
    booked = await house.book(hours=72)
    await until(lambda: _statuses(house, ["delivered", "pending"]))
    claims = system_claims(house.practice_id)
    await reschedule(
        house.services,
        claims,
        booked.appointment_id,
        starts_at=house.services.clock.now() + timedelta(hours=96),
    )
    await until(lambda: _statuses(house, ["delivered", "cancelled", "delivered", "pending"]))
    await house.advance(timedelta(hours=73))
    await until(lambda: _statuses(house, ["delivered", "cancelled", "delivered", "delivered"]))
    await cancel(house.services, claims, booked.appointment_id)
    await until(
        lambda: _statuses(house, ["delivered", "cancelled", "delivered", "delivered", "delivered"])
    )
    kinds = [delivery["kind"] for delivery in await house.deliveries()]
    assert kinds == [
        "appointment_created",
        "reminder",
        "appointment_updated",
        "reminder",
        "appointment_cancelled",
    ]


@pytest.mark.parametrize(
    ("fault", "case", "ends"),
    [
        ({"kind": "status", "http": 503, "times": 1}, "email.unavailable", "delivered"),
        ({"kind": "status", "http": 500, "times": 1}, "email.server_error", "delivered"),
        ({"kind": "reset", "when": "after", "times": 1}, "email.no_answer", "delivered"),
        ({"kind": "malformed", "when": "after", "times": 1}, "email.no_answer", "delivered"),
        ({"kind": "truncate", "when": "after", "times": 1}, "email.no_answer", "delivered"),
    ],
)
async def test_a_passing_fault_is_survived(
    house: House, fault: dict[str, object], case: str, ends: str
) -> None:
    """A fault is classified by the runbook, the mail arrives all the same, and only once."""
    await house.sandbox("POST", "/faults", {"room": "email", "provider": "resend", **fault})
    await house.book()
    await until(lambda: _statuses(house, [ends]))
    [delivery] = await house.deliveries()
    assert delivery["last_case"] == case
    assert len(await house.sandbox("GET", "/mailbox")) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "hook_duplicate", "latency_s": 0.2},
        {"kind": "hook_reorder"},
        {"kind": "hook_delay", "latency_s": 0.3, "event": "email.sent"},
    ],
)
async def test_webhooks_twice_or_out_of_order_say_nothing_new(
    house: House, fault: dict[str, object]
) -> None:
    """However the events come, the delivery ends delivered, and each is heard once."""
    await house.sandbox("POST", "/faults", {"room": "email", "provider": "resend", **fault})
    await house.book()
    await until(lambda: _statuses(house, ["delivered"]))
    await until(lambda: _all_told(house))
    await until(lambda: _heard(house))
    assert await _heard(house) == ["email.delivered", "email.sent"]
    assert await _statuses(house, ["delivered"])


async def test_a_lost_webhook_is_found_by_asking(house: House) -> None:
    """Nothing is told of what became of the mail; after a while the provider is asked."""
    fault = {"room": "email", "provider": "resend", "kind": "hook_drop"}
    await house.sandbox("POST", "/faults", fault)
    await house.book()
    await until(lambda: _statuses(house, ["accepted"]))
    await house.advance(timedelta(minutes=16))
    await until(lambda: _statuses(house, ["delivered"]))


async def test_a_key_revoked_at_the_provider_is_not_brought_back(house: House) -> None:
    """The sandbox is kept in step with our keys, and yet one that it revoked stays revoked."""
    [account, *_rest] = [
        account
        for account in await house.sandbox("GET", "/accounts")
        if account["webhook_url"] and account["webhook_url"].endswith("/default")
    ]
    path = f"/accounts/email/{account['provider']}/{account['id']}/keys"
    await house.sandbox("POST", path, {"api_key": "re_next"})
    await house.sandbox("DELETE", f"{path}/{account['keys'][0]}")
    await keep_sandbox(house.services)
    after = [one for one in await house.sandbox("GET", "/accounts") if one["id"] == account["id"]]
    assert after[0]["revoked_keys"] == account["keys"]
    assert len(after) == 1


async def test_a_refused_key_pauses_and_pages(house: House) -> None:
    """A revoked key pauses the lane at once, opens an incident and pages all hands: whoever is on
    call and the assigned engineer by the pager, the CTO by PagerDuty."""
    await house.sandbox("POST", "/break/email/resend", {"preset": "key_revoked"})
    await house.book()
    [incident] = await until(house.incidents)
    assert incident["rule_id"] == "email.credential_refused"
    assert incident["severity"] == "critical"
    assert await until(lambda: _sent(house, 3)) == {"oncall", "cto", "assigned"}
    [on_call] = {page["target"] for page in await _pages(house, 2)} - {"assigned"}
    assert on_call in {name.partition(" ")[0].lower() for name in ENGINEERS}
    [delivery] = await house.deliveries()
    assert delivery["status"] == "pending"


async def test_a_refused_key_ends_with_the_new_one_that_on_call_enters(house: House) -> None:
    """From the refusal on the credential's page: a wrong key changes nothing, the secret that signs
    goes in by itself and opens no lane, the new key is tried and opens them; a lane that a person
    paused meanwhile waits for a person; what was kept leaves once, and the incident is over."""
    old = await stored_secrets(house)
    account = account_id("email", "resend", old["api_key"])
    whose = f"/accounts/email/resend/{account}"
    await house.sandbox("POST", f"{whose}/keys", {"api_key": "re_next"})
    await house.sandbox("DELETE", f"{whose}/keys/{account}")
    await house.book()
    [incident] = await until(house.incidents)
    assert incident["rule_id"] == "email.credential_refused"
    path, jar = f"/credentials/{incident['credential_id']}", aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(house.url, cookie_jar=jar) as http:
        await log_in(http, "oncall@demo.example", house.app.demo_password)
        csrf = {"csrf": await csrf_of(http)}

        async def enter(**fields: str) -> tuple[int, str]:
            given = {f"field-{name}": value for name, value in fields.items()}
            async with http.post(f"{path}/secret", data={**csrf, **given}) as answer:
                return answer.status, await answer.text()

        status, page = await enter(api_key="re_mistyped")
        assert (status, await stored_secrets(house)) == (422, old)
        assert "refuses it" in page
        status, page = await enter(webhook_secret="whsec_bmV3LXNlY3JldA==")
        now = {**old, "webhook_secret": "whsec_bmV3LXNlY3JldA=="}
        assert (status, await stored_secrets(house)) == (200, now)
        assert "in use: webhook_secret. As before: api_key." in page
        assert await _lanes(house) == {"paused": 2}
        await house.sandbox("PATCH", whose, {"webhook_secret": now["webhook_secret"]})
        async with house.services.database.as_oncall() as connection:
            await connection.execute(
                "update lane set paused_by = 'Noor', paused_until = null"
                " where credential_id = $1 and class = 'bulk'",
                incident["credential_id"],
            )
        status, page = await enter(api_key="re_next")
        assert (status, await stored_secrets(house)) == (200, {**now, "api_key": "re_next"})
        assert "in use: api_key. As before: webhook_secret." in page
        assert await _lanes(house) == {"paused": 1}
        await until(lambda: _statuses(house, ["delivered"]))
        assert len(await house.sandbox("GET", "/mailbox")) == 1
        # The rule has to see it once before the time begins that it must last.
        await until(lambda: _recovering(house))
        await house.advance(timedelta(minutes=11))
        await until(lambda: _recovered(house))
        async with http.post(f"/incidents/{incident['id']}/resolve", data=csrf) as answer:
            assert answer.status == 200
    [incident] = await house.incidents()
    assert incident["status"] == "resolved"


async def _lanes(house: House) -> dict[str, int]:
    """How many lanes stand in each state but open."""
    async with house.services.database.as_oncall() as connection:
        rows = await connection.fetch(
            "select state, count(*) as n from lane where state <> 'open' group by state"
        )
    return {row["state"]: row["n"] for row in rows}


async def _recovering(house: House) -> bool:
    async with house.services.database.as_oncall() as connection:
        found: bool = await connection.fetchval(
            "select exists (select from alert_state where state = 'recovering')"
        )
    return found


async def _recovered(house: House) -> bool:
    return all(incident["recovered_at"] for incident in await house.incidents())


async def test_what_is_never_heard_of_again_is_asked_after(house: House) -> None:
    """When no webhook comes, the provider is asked, and its answer moves the delivery forward."""
    for account in await house.sandbox("GET", "/accounts"):
        if account["provider"] == "resend":
            path = f"/accounts/email/resend/{account['id']}"
            await house.sandbox("PATCH", path, {"webhook_url": None})
    await house.book()
    await until(lambda: _statuses(house, ["accepted"]))
    await house.advance(timedelta(minutes=16))
    await until(lambda: _statuses(house, ["delivered"]))
    [delivery] = await house.deliveries()
    async with house.services.database.as_oncall() as connection:
        heard = await connection.fetchval(
            "select data ->> 'heard' from timeline where delivery_id = $1"
            " and kind = 'provider_event'",
            delivery["id"],
        )
    assert heard == "asked"


async def _heard(house: House) -> list[str]:
    """The events of the one delivery, once there are two."""
    async with house.services.database.as_oncall() as connection:
        rows = await connection.fetch(
            "select data ->> 'event' as event from timeline where kind = 'provider_event'"
        )
    events = sorted(row["event"] for row in rows)
    return events if len(events) > 1 else []


async def _all_told(house: House) -> bool:
    return not await house.sandbox("GET", "/webhooks?pending=true")


async def _sent(house: House, count: int) -> set[str]:
    """The targets whose pages went out, once they are so many."""
    async with house.services.database.as_oncall() as connection:
        rows = await connection.fetch("select target from page where state = 'sent'")
    return {row["target"] for row in rows} if len(rows) >= count else set()


async def _pages(house: House, count: int) -> list[dict[str, object]]:
    pages: list[dict[str, object]] = await house.sandbox("GET", "/pages")
    return pages if len(pages) >= count else []


async def _statuses(house: House, wanted: list[str]) -> bool:
    return [delivery["status"] for delivery in await house.deliveries()] == wanted
