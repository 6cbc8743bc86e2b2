"""The page behind a mail's link: what a scanner cannot do there, and what a client can."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from playwright.async_api import Browser, Page, expect

from mentalspace.console.client_link import MOST_ANSWERS
from mentalspace.integrations.email.model import Mail
from tests.console.stage import CLIENT, Stage, _booked
from tests.console.test_pages import _CONTRAST, _WCAG, overflow, violations

pytestmark = [pytest.mark.browser, pytest.mark.database]

# What reads mail before people do: Outlook's, Google's, Proofpoint's, Slack's, a phone's preview.
SCANNERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/120.0.0.0 Safari/537.36 SafeLinks",
    "Mozilla/5.0 (compatible; GoogleImageProxy)",
    "Mozilla/5.0 (compatible; Proofpoint URL Defense)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "WhatsApp/2.23.20.0",
    "facebookexternalhit/1.1",
    "curl/8.9",
    "",
)
_EVERYTHING = """
select (select jsonb_agg(a order by a.id) from appointment a)::text as appointments,
       (select count(*) from audit) as audited, (select count(*) from timeline) as lines,
       (select count(*) from delivery) as deliveries, (select count(*) from task) as tasks
"""


async def link(stage: Stage, hours: float = 72, number: int = 77) -> str:
    """The address in the first mail of a new appointment, two working days ahead or so."""
    starts_at = datetime.now(UTC) + timedelta(hours=hours)
    [first, *_] = await _booked(stage, stage.lakeside, CLIENT, starts_at, number)
    return await address(stage, first)


async def address(stage: Stage, delivery_id: UUID) -> str:
    payload = await stage.owner.fetchval("select payload from delivery where id = $1", delivery_id)
    mail = Mail.from_bytes(stage.services.vault.open(stage.lakeside, "delivery", payload))
    found = re.search(r"http://\S+/a/[^\s#]+", mail.text)
    assert found is not None
    return found[0]


async def everything(stage: Stage) -> Any:
    return await stage.owner.fetchrow(_EVERYTHING)


async def test_a_scanner_changes_nothing(stage: Stage) -> None:
    """Whoever opens every address in the mail and on the page, with any method but the form's,
    any query and any name, leaves no trace; and the page is cached and indexed nowhere."""
    url = await link(stage)
    before = await everything(stage)
    async with aiohttp.ClientSession(skip_auto_headers=["User-Agent"]) as http:
        for agent in SCANNERS:
            headers = {"User-Agent": agent, "Purpose": "prefetch", "Sec-Purpose": "prefetch"}
            for path in ("", "?confirm=1&answer=yes", "/confirm", "/cancel", "/cancel?yes=1"):
                for method in ("HEAD", "GET"):
                    async with http.request(method, url + path, headers=headers) as answer:
                        assert answer.status == 200
                        assert CLIENT not in await answer.text()
                        assert answer.headers["cache-control"] == "no-store"
                        assert answer.headers["referrer-policy"] == "no-referrer"
                        assert "noindex" in answer.headers["x-robots-tag"]
            for method in ("PUT", "DELETE", "OPTIONS", "POST"):
                async with http.request(method, url, headers=headers) as answer:
                    assert answer.status == 405
    assert await everything(stage) == before


async def test_what_is_no_link_of_ours_tells_nothing(stage: Stage) -> None:
    """Each bad link gets the same page and 404, and more answers than anybody gives are put off."""
    url = await link(stage)
    head, _, token = url.rpartition("/")
    bent = [token[:-2] + ("AA" if token[-2:] != "AA" else "BB"), "2" + token[1:], "nonsense", "%00"]
    async with aiohttp.ClientSession() as http:
        pages = set()
        for each in bent:
            async with http.get(f"{head}/{each}") as answer:
                pages.add((answer.status, await answer.text()))
            async with http.post(f"{head}/{each}/cancel") as answer:
                assert answer.status == 404
        [(status, page)] = pages
        assert status == 404
        assert "This link does not work" in page
        assert "Este enlace no funciona" in page
        seen = []
        for _ in range(MOST_ANSWERS + 1):
            async with http.post(f"{url}/confirm", allow_redirects=False) as answer:
                seen.append(answer.status)
    assert seen == [303] * MOST_ANSWERS + [429]


@pytest.mark.parametrize(("width", "language"), [(1280, "en"), (390, "es")])
async def test_a_client_answers(browser: Browser, stage: Stage, width: int, language: str) -> None:
    """Confirmed by one button and cancelled by another, in the client's language, on a phone as
    on a desk; the page names no client, breaks no rule of accessibility and fits."""
    url = await link(stage)
    await stage.owner.execute("update client set language = $1", language)
    words = {
        "en": ("I will come", "we expect you", "Cancel this appointment", "is cancelled"),
        "es": ("Vendré", "le esperamos", "Cancelar esta cita", "está cancelada"),
    }[language]
    async with await browser.new_context(viewport={"width": width, "height": 850}) as context:
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda told: complaints.append(told.text))
        await page.goto(url)
        await _is_sound(page, language)
        await page.get_by_role("button", name=words[0]).click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text(words[1])
        await _is_sound(page, language)
        await page.goto(f"{url}#cancel")
        await page.get_by_role("button", name=words[2]).click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text(words[3])
        await expect(page.get_by_role("button")).to_have_count(0)
        await expect(page.get_by_role("link", name="+1 555 0100")).to_be_visible()
        await _is_sound(page, language)
        assert complaints == []
    row = await stage.owner.fetchrow(
        "select status, cancelled_by from appointment where external_id = 'a-77'"
    )
    assert row is not None and tuple(row) == ("cancelled", "client")


async def test_too_late_to_cancel_is_said_with_a_number(browser: Browser, stage: Stage) -> None:
    """Within the practice's hours there is no button, but whom to call."""
    url = await link(stage, hours=5)
    async with await browser.new_context(viewport={"width": 390, "height": 850}) as context:
        page = await context.new_page()
        await page.goto(url)
        await expect(page.get_by_role("region", name="If you cannot come")).to_contain_text(
            "too late to cancel here"
        )
        await expect(page.get_by_role("button")).to_have_count(1)
        await expect(page.get_by_role("link", name="+1 555 0100")).to_be_visible()


async def _is_sound(page: Page, language: str) -> None:
    assert CLIENT not in await page.content()
    assert await page.get_attribute("html", "lang") == language
    assert await violations(page, _WCAG) == []
    await page.emulate_media(color_scheme="dark")
    assert await violations(page, _CONTRAST) == []
    await page.emulate_media(color_scheme="light")
    assert await overflow(page) <= 0
