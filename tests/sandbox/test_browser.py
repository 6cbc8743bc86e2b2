"""The sandbox's pages in a real browser, at desktop and phone width."""

from __future__ import annotations

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from tests.sandbox.conftest import Client

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (375, "dark")])
async def test_pages_are_accessible_and_fit(
    client: Client, browser: Browser, width: int, scheme: str
) -> None:
    """No accessibility violation, no sideways scrolling; only a mail's own script is stopped."""
    await client.send()
    item = client.sandbox.world.kit.outbox.items()[0].id
    await client.control("POST", "/break/email/resend", {"preset": "down"}, http=201)
    complaints: list[str] = []
    context = await browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = await context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    for path in ("/", "/email", "/email/mailbox", f"/email/messages/{item}", "/pager", "/_control"):
        await page.goto(client.sandbox.url + path)
        found = (await Axe().run(page)).response["violations"]
        assert [violation["id"] for violation in found] == [], path
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
    # The only thing stopped is the script inside the mail, by its frame, which nobody can ask.
    asked_by_axe = "Failed to execute 'postMessage'"
    stopped = [complaint for complaint in complaints if asked_by_axe not in complaint]
    assert stopped
    assert all("frame is sandboxed" in complaint for complaint in stopped), stopped
    await context.close()


async def test_the_page_follows_what_happens(client: Client, browser: Browser) -> None:
    """A mail that comes in, and a fault that goes, show up without a reload."""
    page = await browser.new_page()
    await page.goto(f"{client.sandbox.url}/email")
    await page.get_by_role("button", name="Break it").click()
    status = page.get_by_role("status")
    await expect(status).to_contain_text("Provider down")
    await client.control("DELETE", "/faults")
    await client.send("Fresh mail")
    await expect(page.get_by_role("link", name="Fresh mail")).to_be_visible()
    await expect(status).to_contain_text("No fault is in force")
    await page.close()
