"""The register of vendor agreements on the console."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from playwright.async_api import Browser, expect

from tests.console.stage import Stage
from tests.console.test_doors import visitor
from tests.console.test_pages import _WCAG, overflow, signed_in, violations

pytestmark = [pytest.mark.browser, pytest.mark.database]


async def _go_live(stage: Stage) -> None:
    """As if Lakeside's credential led to the provider itself; nothing is sent here."""
    await stage.owner.execute(
        "update credential set live = true, base_url = 'https://live.example'"
        " where practice_id = $1",
        stage.lakeside,
    )


@pytest.mark.parametrize("width", [1280, 390])
async def test_an_administrator_keeps_the_register(
    browser: Browser, stage: Stage, width: int
) -> None:
    """What is missing is said; a mistake is answered with what was typed; a recorded agreement
    holds, shows when it ends, and can be revoked."""
    await _go_live(stage)
    today = date.today()
    async with signed_in(browser, stage, "admin", width=width) as page:
        await page.goto(f"{stage.url}/")
        await page.get_by_role("link", name="No vendor agreement holds").first.click()
        shown = page.get_by_role("region", name="Today")
        await expect(shown).to_contain_text("None holds")
        await page.get_by_label("Signed on").fill(str(today - timedelta(days=300)))
        await page.get_by_label("Ends on").fill(str(today - timedelta(days=301)))
        await page.get_by_label("Where the document").fill("Binder 3, page 12")
        await page.get_by_role("button", name="Record").click()
        await expect(page.get_by_role("alert")).to_contain_text("ends after the day")
        await expect(page.get_by_label("Where the document")).to_have_value("Binder 3, page 12")
        await page.get_by_label("Ends on").fill(str(today + timedelta(days=20)))
        await page.get_by_role("button", name="Record").click()
        await expect(page.get_by_role("status").first).to_contain_text("recorded")
        await expect(shown).to_contain_text("Ends soon")
        register = page.get_by_role("region", name="Register")
        await expect(register).to_contain_text("Binder 3, page 12")
        await expect(register).to_contain_text("Ada Moreno")
        assert await violations(page, _WCAG) == []
        assert await overflow(page) <= 0
        await register.get_by_role("button", name="Revoke").click()
        await expect(shown).to_contain_text("None holds")
    audited = await stage.owner.fetch(
        "select action from audit where action like 'agreement%' order by id"
    )
    assert [row["action"] for row in audited] == ["agreement_recorded", "agreement_revoked"]


async def test_on_call_sees_whether_and_not_where(stage: Stage) -> None:
    """On-call reads that an agreement holds, for every practice, not its document or who
    recorded it, and records none; other staff do not see the page."""
    await stage.owner.execute(
        "insert into vendor_agreement (practice_id, vendor, signed_on, reference, recorded_by)"
        " values ($1, 'resend', '2026-01-02', 'Binder 3', 'Ada Secretary')",
        stage.mesa,
    )
    async with visitor(stage, "oncall") as http:
        async with http.get("/agreements") as answer:
            text = await answer.text()
        assert "Mesa Family Practice" in text
        assert "2026-01-02" in text
        assert "Binder 3" not in text
        assert "Ada Secretary" not in text
        async with http.post("/agreements", data={"csrf": "x"}) as answer:
            assert answer.status == 403
    async with visitor(stage, "frontdesk") as http, http.get("/agreements") as answer:
        assert answer.status == 403
    async with visitor(stage, "admin") as http, http.get("/agreements") as answer:
        assert "Mesa" not in await answer.text()


async def test_a_credential_for_tests_says_so(stage: Stage) -> None:
    """The fleet and the register name a credential that reaches test recipients only."""
    await _go_live(stage)
    await stage.owner.execute("update credential set test_only = true")
    async with visitor(stage, "admin") as http:
        async with http.get("/") as answer:
            text = await answer.text()
            assert "test only" in text
            assert "No vendor agreement holds" not in text
        async with http.get("/agreements") as answer:
            assert "Test only" in await answer.text()
