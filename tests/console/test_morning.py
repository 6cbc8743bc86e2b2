"""The front desk's morning page, as the front desk uses it."""

from __future__ import annotations

import json
import re
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Browser, expect

from mentalspace.engine.hours import Hours
from mentalspace.engine.suppression import OPTED_OUT, suppress
from mentalspace.workflows.client_reach import read_numbers
from tests.console.stage import CLIENT, Stage
from tests.console.test_doors import visitor
from tests.console.test_pages import _WCAG, overflow, signed_in, violations
from tests.house import write_agreements

pytestmark = [pytest.mark.browser, pytest.mark.database]


@pytest.mark.parametrize("width", [1280, 390])
async def test_the_front_desk_calls_and_tries_again(
    browser: Browser, stage: Stage, width: int
) -> None:
    """Who was not reached stands there with the reason; a message that surely did not leave goes
    again, a call is written down, and then nobody is left."""
    await stage.owner.execute("update client set phone = '+1 555 0142' where name like 'Hal%'")
    async with signed_in(browser, stage, "frontdesk", width=width) as page:
        await page.goto(f"{stage.url}/")
        main = page.get_by_role("main")
        await expect(main.get_by_role("heading", name="Not reached")).to_be_visible()
        await expect(main).to_contain_text("Hal Heldperson")
        await expect(main).not_to_contain_text(CLIENT)
        await expect(main).to_contain_text("6 of 7 appointments reached")
        await expect(page.get_by_role("link", name="Not reached 1 to call")).to_be_visible()
        call = main.get_by_role("link", name="Call +1 555 0142")
        assert await call.get_attribute("href") == "tel:+15550142"
        assert await page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
        for address, says in (("hal@", "Not saved"), ("hal2@demo.example", "Saved")):
            await main.get_by_text("Put the address or number right").click()
            field = main.get_by_label("E-mail address")
            await field.evaluate("field => field.type = 'text'")
            await field.fill(address)
            await main.get_by_role("button", name="Save").click()
            await expect(page.get_by_role("status").first).to_contain_text(says)
        other = await page.context.new_page()
        await other.goto(f"{stage.url}/morning")
        await main.get_by_role("button", name="Reached by phone").click()
        await expect(page.get_by_role("status").first).to_contain_text("the client knows")
        await expect(main).to_contain_text("Nobody needs a call: 7 appointments")
        await other.get_by_role("button", name="Try again").click()
        await expect(other.get_by_role("status").first).to_contain_text("It is tried again")
    assert await stage.owner.fetchval("select status from delivery where id = $1", stage.held) in (
        "pending",
        "due",
    )
    assert await stage.owner.fetchval("select state from task") == "done"
    assert await stage.owner.fetchval("select email from client where name like 'Hal%'") == (
        "hal2@demo.example"
    )
    assert await stage.owner.fetchval(
        "select count(*) from audit where action = 'client.reach_changed'"
    )


@pytest.mark.parametrize("width", [1280, 390])
async def test_whom_nothing_reaches_what_is_to_be_read_and_what_waits(
    browser: Browser, stage: Stage, width: int
) -> None:
    """A client who wants neither mail nor text is called and then written down; a text that a
    person must read is there with its name, never with its words; and one that may not leave yet
    says until when."""
    await make_morning(stage)
    async with signed_in(browser, stage, "frontdesk", width=width) as page:
        await page.goto(f"{stage.url}/morning")
        silent = page.get_by_role("region", name="1 client whom nothing may be sent to")
        await expect(silent).to_contain_text(CLIENT)
        unread = page.get_by_role("region", name="2 conversations to read")
        await expect(unread.get_by_role("listitem").first).to_contain_text("wants to cancel")
        await expect(unread).to_contain_text("A number that is not one client’s: 2 texts")
        resting = page.get_by_role("region", name="1 text waits for the morning")
        await expect(resting).to_contain_text(re.compile("waits until .*09:00"))
        assert await overflow(page) <= 0
        assert not await violations(page, _WCAG)
        await silent.get_by_role("button", name="Reached by phone").click()
        await expect(page.get_by_role("status").first).to_contain_text("the client knows")
        await expect(silent).to_have_count(0)
        await expect(page.get_by_role("main")).to_contain_text("Hal Heldperson")


async def make_morning(stage: Stage) -> None:
    vault, practice_id = stage.services.vault, stage.lakeside
    await stage.owner.execute(
        "update client set phone = '202 555 0143' where id = $1", stage.client
    )
    await read_numbers(stage.services)
    await write_agreements(stage.owner)
    await stage.owner.execute(
        "update client set text_agreed_at = now() where id = $1", stage.client
    )
    email = await stage.owner.fetchval("select email from client where id = $1", stage.client)
    async with stage.services.database.as_worker(practice_id) as connection:
        for channel, address in (("email", email), ("sms", "+12025550143")):
            key = vault.recipient_key(practice_id, address)
            await suppress(
                connection, practice_id, channel, key, reason=OPTED_OUT, client_id=stage.client
            )
    for number, meaning, whose in (
        ("1", "unclear", None),
        ("1", "unknown_number", None),
        ("2", "too_late", stage.client),
        ("3", "confirmed", stage.client),
    ):
        await stage.owner.execute(
            "insert into text_message (practice_id, credential_id, provider_message_id,"
            " recipient_key, client_id, sender, body, meaning) select $1, id, $2, $3, $4, '', '',"
            " $5 from credential where practice_id = $1 limit 1",
            practice_id,
            f"SM{number}{meaning}",
            number,
            whose,
            meaning,
        )
    zone = "America/Chicago"
    today = stage.services.clock.now().astimezone(ZoneInfo(zone)).weekday()
    week = tuple(None if day == today else (480, 1260) for day in range(7))
    await stage.owner.execute(
        "insert into delivery (practice_id, lane_id, credential_id, integration, kind,"
        " subject_type, subject_id, client_id, recipient_key, payload, idempotency_key,"
        " traceparent, hours) select practice_id, lane_id, credential_id, 'sms', kind,"
        " subject_type, subject_id, client_id, recipient_key, payload, 'sms/' || id, traceparent,"
        " $2::text::jsonb from delivery where id = $1",
        stage.held,
        json.dumps(Hours((zone,), week).to_json()),
    )


async def test_what_may_have_been_sent_is_not_tried_again(stage: Stage) -> None:
    """Neither the button nor a forged form sends what a provider may already have; and whose role
    does not include the page is not let in."""
    await stage.owner.execute(
        "update attempt set state = 'unknown' where id in"
        " (select attempt_id from attempt_delivery where delivery_id = $1)",
        stage.held,
    )
    async with visitor(stage, "frontdesk") as http:
        async with http.get("/morning") as page:
            text = await page.text()
            assert "Hal Heldperson" in text
            assert "Try again" not in text
        csrf = text.split('name="csrf" value="')[1].split('"')[0]
        async with http.post(f"/morning/{stage.held}/retry", data={"csrf": csrf}) as answer:
            assert "Not tried again" in await answer.text()
    assert await stage.owner.fetchval("select status from delivery where id = $1", stage.held) == (
        "held"
    )
    async with visitor(stage, "biller") as http, http.get("/morning") as answer:
        assert answer.status == 403
