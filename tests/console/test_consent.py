"""Whether we may write, on a client's page: what holds, its history, and what the client says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from mentalspace.practice.consent import Source, Speaker, opt_out
from tests.console.stage import Stage, _booked
from tests.console.test_pages import signed_in

pytestmark = [pytest.mark.browser, pytest.mark.database]


async def test_a_client_told_the_front_desk(browser: Browser, stage: Stage) -> None:
    """STOP stands on the page with its way and its message; the client's word to a colleague is
    kept with a note and obeyed. Whoever may not keep such words reads no note and has no form."""
    starts_at = datetime.now(UTC) + timedelta(days=9)
    [mail, *_] = await _booked(stage, stage.lakeside, "Tess Texter", starts_at, 91)
    client = await stage.owner.fetchval(
        "update client set phone = '(212) 555-0191', phone_e164 = '+12125550191'"
        " where external_id = 'c-91' returning id"
    )
    vault = stage.services.vault
    key = vault.recipient_key(stage.lakeside, "+12125550191")
    async with stage.services.database.as_worker(stage.lakeside) as connection:
        speaker = Speaker(stage.lakeside, "sms", key, client)
        await opt_out(connection, vault, speaker, Source("keyword", "client", "SM1"))
    async with signed_in(browser, stage, "frontdesk") as page:
        await page.goto(f"{stage.url}/clients/{client}")
        card = page.get_by_role("region", name="Whether we may write")
        await expect(card).to_contain_text("not sent: they asked for no more")
        await expect(card).to_contain_text("once they text START")
        await card.get_by_text("History", exact=True).click()
        await expect(card.get_by_role("list", name="History of consent")).to_contain_text(
            "Wants no more texts"
        )
        await card.get_by_text("The client told you").first.click()
        await card.get_by_label("No more mail").check()
        note = card.get_by_label("Who asked, and how")
        await note.fill("   ")
        await card.get_by_role("button", name="Keep").click()
        await expect(card.get_by_role("alert")).to_contain_text("Say who asked for it, and how.")
        await expect(card.get_by_label("No more mail")).to_be_checked()
        await note.fill("Tess, at the desk")
        await card.get_by_role("button", name="Keep").click()
        await expect(page.get_by_role("status").first).to_contain_text("Kept.")
        await card.get_by_text("History", exact=True).click()
        await expect(card).to_contain_text("Tess, at the desk")
        await card.get_by_text("The client told you").first.click()
        await card.get_by_label("Texts may be sent to them").check()
        await note.fill("Tess rang, wants them after all")
        await card.get_by_role("button", name="Keep").click()
        await expect(card).to_contain_text("the client agreed")
        await card.get_by_text("History", exact=True).click()
        await card.get_by_text("The client told you").first.click()
        results = await Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        await page.goto(f"{stage.url}/suppressed")
        lifted = page.get_by_role("region", name="Lifted").get_by_role("row", name="Tess Texter")
        await expect(lifted).to_contain_text("+12125550191")
    async with signed_in(browser, stage, "biller") as page:
        await page.goto(f"{stage.url}/clients/{client}")
        await page.get_by_text("History", exact=True).click()
        await expect(page.get_by_role("main")).to_contain_text("Wants no more mail")
        await expect(page.get_by_role("main")).not_to_contain_text("at the desk")
        await expect(page.get_by_role("button", name="Keep")).to_have_count(0)
    at_once = await stage.owner.fetchval(
        "select next_attempt_at <= app.now() from delivery where id = $1", mail
    )
    assert at_once
