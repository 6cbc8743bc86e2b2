"""The mails in a real browser, and the page that shows them to the practice."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.async_api import Browser, Request, expect

from mentalspace.integrations.email.tests.samples import every_mail
from mentalspace.integrations.email.words import LANGUAGES
from tests.console.stage import Stage
from tests.console.test_doors import visitor
from tests.console.test_pages import overflow, signed_in, violations

pytestmark = pytest.mark.browser

_WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
_LOOKS: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 800), ("dark", 360))


async def test_mails_are_accessible(browser: Browser) -> None:
    """No mail breaks a rule of WCAG 2.1 A or AA, light on a desk or dark on a phone, and none
    scrolls sideways or loads anything."""
    found: list[str] = []

    def note_load(request: Request) -> None:
        found.append(f"loads {request.url}")

    for scheme, width in _LOOKS:
        context = await browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 800}
        )
        page = await context.new_page()
        page.on("request", note_load)
        for language in LANGUAGES:
            for kind, mail in every_mail(language).items():
                await page.set_content(mail.html)
                found += [f"{kind} {language} {scheme}: {v}" for v in await violations(page, _WCAG)]
                if await overflow(page) > 0:
                    found.append(f"{kind} {language} is wider than {width}")
        await context.close()
    assert found == []


async def test_the_front_desk_sees_a_mail_and_adds_a_line(browser: Browser, stage: Stage) -> None:
    """A line that gives away comes back with the word and its cure; a good one is in the mail."""
    async with signed_in(browser, stage, "frontdesk") as page:
        await page.get_by_role("link", name="Templates").click()
        await page.get_by_label("Language").select_option("Spanish")
        await page.get_by_label("The client’s zone").select_option("America/Phoenix")
        await page.get_by_role("button", name="Show").click()
        frame = page.frame_locator("iframe")
        await expect(frame.get_by_role("heading", level=1)).to_have_text("Su cita está reservada")
        await expect(frame.get_by_role("main")).to_contain_text("hora de la Montaña (MST)")
        line = page.get_by_label("In Spanish")
        await line.fill("Traiga su medicación.")
        await page.get_by_role("button", name="Keep it in Spanish").click()
        await expect(page.get_by_role("alert")).to_contain_text("medicacion")
        await expect(page.get_by_role("alert")).to_contain_text("Say “appointment”")
        await expect(line).to_have_value("Traiga su medicación.")
        await line.fill("Estacione detrás de la casa.")
        await page.get_by_role("button", name="Keep it in Spanish").click()
        await expect(page.get_by_role("status").first).to_contain_text("The line is kept")
        await expect(frame.get_by_role("main")).to_contain_text("Estacione detrás de la casa.")
        await expect(page.get_by_role("main")).to_contain_text("SUMMARY:Cita")


async def test_every_text_is_shown_with_what_it_costs(browser: Browser, stage: Stage) -> None:
    """In both languages, with the practice's name: segments, what room is left, and the price."""
    await stage.owner.execute("update practice set name = 'Ośrodek' where slug = 'lakeside'")
    async with signed_in(browser, stage, "frontdesk", width=390) as page:
        await page.goto(f"{stage.url}/templates")
        main = page.get_by_role("main")
        await main.get_by_role("link", name="Texts", exact=True).click()
        # Even the shortest way to say it, on any weekday, is more than one holds.
        first = main.get_by_role("region", name="Reminder, as the first text to a number")
        await expect(first.locator("[lang=es]")).to_contain_text("Ośrodek: ")
        await expect(first).to_contain_text("2 segments of UCS-2")
        await expect(first).to_contain_text("0.0166 USD")
        await expect(first).not_to_contain_text("0.0083 USD")
        assert await overflow(page) <= 0
    await stage.owner.execute("update practice set name = 'Lakeside' where slug = 'lakeside'")
    async with signed_in(browser, stage, "frontdesk") as page:
        await page.goto(f"{stage.url}/templates/texts")
        code = page.get_by_role("main").get_by_role("region", name="Log-in code")
        body = await code.locator("[lang=en]").inner_text()
        await expect(code).to_contain_text(f"1 segment of GSM-7, {160 - len(body)} characters left")
        await expect(code).to_contain_text("0.0083 USD")


async def test_a_framed_mail_may_style_itself_and_nothing_else(stage: Stage) -> None:
    """The preview's own policy allows no script, no form, no load, and no frame but ours."""
    async with visitor(stage, "frontdesk") as http:
        async with http.get("/templates/preview?kind=reminder&scheme=dark") as answer:
            policy = answer.headers["content-security-policy"]
            page = await answer.text()
        async with http.get("/templates/preview?kind=../x&zone=Nowhere&language=%00") as answer:
            assert "Your appointment is booked" in await answer.text()
        async with http.get("/templates") as answer:
            assert "unsafe" not in answer.headers["content-security-policy"]
    assert {part.strip() for part in policy.split(";")} == {
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "sandbox",
    }
    assert "@media all" in page
    assert "A reminder of your appointment" in page
