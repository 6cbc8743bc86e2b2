"""The second factor in a real browser, and the doors it keeps shut."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import aiohttp
import pyotp
import pytest
from playwright.async_api import Browser, Page, expect

from mentalspace.kernel.settings import Mode
from mentalspace.practice.identity import create_user
from tests.console.stage import PASSWORD, Stage, serving
from tests.console.test_doors import log_in, visitor
from tests.console.test_pages import _WCAG, overflow, signed_in, violations

pytestmark = [pytest.mark.browser, pytest.mark.database]


def code_of(secret: str, ahead: int = 0) -> str:
    """What the device shows now, or next: each works once, and nobody waits for the next."""
    return pyotp.TOTP(secret).generate_otp(int(time.time()) // 30 + ahead)


async def enrolled(page: Page, stage: Stage) -> tuple[str, list[str]]:
    """Set it up as a person does; the secret of the device, and the recovery codes."""
    await page.get_by_role("link", name="Second factor").click()
    await expect(page.get_by_role("img", name="QR code")).to_be_visible()
    await page.evaluate("document.querySelector('.qr img').decode()")  # rejects a broken one
    secret = (await page.locator(".secret").inner_text()).replace(" ", "")
    await page.get_by_label("The six digits").fill(code_of(secret))
    await page.get_by_role("button", name="Turn it on").click()
    await expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    return secret, await page.locator(".codes code").all_inner_texts()


async def password_step(page: Page, stage: Stage, who: str) -> None:
    await page.goto(f"{stage.url}/login?next=/messages")
    await page.get_by_label("E-mail address").fill(f"{who}@demo.example")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("heading", name="Second step")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
async def test_set_up_log_in_and_recover(browser: Browser, stage: Stage, width: int) -> None:
    """Set up with an app, log in with its code, once with a recovery code, and turn it off; every
    page on the way is accessible and fits a phone."""
    found: list[str] = []
    async with signed_in(browser, stage, "frontdesk", width=width) as page:
        await page.goto(f"{stage.url}/second-factor")
        found += await violations(page, _WCAG)
        assert await overflow(page) <= 0
        secret, codes = await enrolled(page, stage)
        assert len(set(codes)) == 10
        found += await violations(page, _WCAG)
        assert await overflow(page) <= 0
        await page.get_by_role("button", name="Log out").click()

        await password_step(page, stage, "frontdesk")
        found += await violations(page, _WCAG)
        await page.get_by_label("Code").fill("000000")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("alert")).to_contain_text("not right")
        used = code_of(secret, 1)
        await page.get_by_label("Code").fill(used)
        await page.get_by_role("button", name="Log in").click()
        await expect(page).to_have_url(f"{stage.url}/messages")
        await page.get_by_role("button", name="Log out").click()

        await password_step(page, stage, "frontdesk")
        await page.get_by_label("Code").fill(used)
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("alert")).to_contain_text("used already")
        await page.get_by_label("Code").fill(codes[0])
        await page.get_by_role("button", name="Log in").click()
        await expect(page).to_have_url(f"{stage.url}/messages")

        await page.get_by_role("link", name="Second factor").click()
        await expect(page.get_by_role("main")).to_contain_text("9 recovery codes left")
        found += await violations(page, _WCAG)
        assert await overflow(page) <= 0
        off = page.get_by_role("region", name="Turn it off")
        await off.get_by_label("Password").fill(PASSWORD)
        await off.get_by_label("Code").fill(codes[1])
        await off.get_by_role("button", name="Turn it off").click()
        await expect(page.get_by_role("status").first).to_contain_text("is off")
    assert found == []


async def test_an_administrator_helps_a_colleague(browser: Browser, stage: Stage) -> None:
    """The list says who has one; a reset ends the colleague's sessions and is written down."""
    async with signed_in(browser, stage, "clinician") as page:
        await enrolled(page, stage)
        async with signed_in(browser, stage, "admin") as boss:
            await boss.get_by_role("link", name="People").click()
            assert await violations(boss, _WCAG) == []
            await boss.set_viewport_size({"width": 390, "height": 850})
            assert await overflow(boss) <= 0
            await boss.get_by_role("button", name="Reset the second factor of Dr. Imani").click()
            await expect(boss.get_by_role("status").first).to_contain_text("was reset")
        await page.goto(f"{stage.url}/messages")
        await expect(page).to_have_url(re.compile("/login"))
    actions = await stage.owner.fetch(
        "select action from audit where action ~ 'second_factor' order by id"
    )
    assert [row["action"] for row in actions] == ["second_factor_enrolled", "second_factor_reset"]


async def test_in_production_nothing_else_is_open_before(stage: Stage) -> None:
    """Staff who log in for the first time find every page leading to the set-up."""
    settings = replace(stage.services.settings, mode=Mode.PRODUCTION)
    email = "pat@practice.example"
    await create_user(stage.owner, email, "Pat", PASSWORD, [("administrator", stage.lakeside)])
    services = replace(stage.services, settings=settings)
    async with serving(services) as url:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(url, cookie_jar=jar) as http:
            answer = await log_in(http, email, PASSWORD)
            assert answer.url.path == "/second-factor"
            for path in ("/clients", "/messages", "/people", "/agreements"):
                async with http.get(path, allow_redirects=False) as shut:
                    assert (shut.status, shut.headers["location"]) == (303, "/second-factor")
            async with http.get("/second-factor/qr.svg") as picture:
                assert picture.content_type == "image/svg+xml"
                assert picture.headers["cache-control"] == "no-store"


async def test_the_half_way_opens_nothing(stage: Stage) -> None:
    """Between password and code no page is shown, and the second form must be ours."""
    await stage.owner.execute(
        "insert into second_factor (user_id, secret, enrolled_at) select id, '\\x00', now()"
        " from app_user where email = 'biller@demo.example'"
    )
    async with visitor(stage, None) as http:
        answer = await log_in(http, "biller@demo.example", PASSWORD)
        assert answer.url.path == "/login/code"
        async with http.get("/messages", allow_redirects=False) as page:
            assert page.status == 303
        async with http.post("/login/code", data={"code": "123456", "token": "guessed"}) as forged:
            assert forged.status == 403
    async with visitor(stage, None) as http, http.get("/login/code") as page:
        assert page.url.path == "/login"
