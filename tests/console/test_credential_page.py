"""A credential's page by keyboard: a secret is entered, the former one brought back and wiped."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.console.stage import Stage
from tests.console.test_pages import _WCAG, overflow, signed_in, violations

pytestmark = [pytest.mark.browser, pytest.mark.database]

# Of each field: what it is called, and whether a password manager may take it for a log-in's.
_FIELDS = """
() => [...document.querySelectorAll('#secret-form input:not([type=hidden], [type=checkbox])')].map(
  one => ({name: one.labels[0]?.innerText, type: one.type, fills: one.autocomplete,
           told: document.getElementById(one.getAttribute('aria-describedby'))?.innerText}))
"""
_TWICE = """
() => { const ids = [...document.querySelectorAll('[id]')].map(one => one.id);
        return ids.filter((id, place) => ids.indexOf(id) !== place); }
"""


async def _tab_to(page: Page, wanted: str) -> None:
    """By the keyboard alone, from wherever it is."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.evaluate("() => document.activeElement.id") == wanted:
            return
    raise AssertionError(f"{wanted} cannot be reached")


async def test_a_secret_is_entered_brought_back_and_wiped_by_keyboard(
    stage: Stage, browser: Browser
) -> None:
    """Each field has a name and says what it is for, none is filled in by itself; nobody answers
    here, so that bringing it back takes a tick; all of it without a mouse."""
    credential = await stage.owner.fetchval(
        "select id from credential where practice_id = $1 and provider = 'resend'", stage.mesa
    )
    async with signed_in(browser, stage, "oncall") as page:
        await page.goto(f"{stage.url}/credentials/{credential}")
        fields: list[dict[str, Any]] = await page.evaluate(_FIELDS)
        assert [one["name"] for one in fields] == ["New api_key", "New webhook_secret"]
        assert {one["fills"] for one in fields} == {"new-password"}
        assert all(one["told"] for one in fields)
        await expect(page.get_by_role("form", name="Enter a new secret")).to_be_visible()
        assert await page.evaluate(_TWICE) == []
        await _tab_to(page, "field-webhook_secret")
        await page.keyboard.type("whsec_bmV3LXNlY3JldA==")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status").first).to_contain_text("in use: webhook_secret")
        await expect(page.get_by_role("heading", name="The former one")).to_be_visible()
        assert await violations(page, _WCAG) == []
        assert await overflow(page) <= 0
        await _tab_to(page, "act-bring_back")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Bring back the former one?")).to_be_visible()
        await expect(page.get_by_text("does not answer it well")).to_have_count(2)
        assert await violations(page, _WCAG) == []
        await _tab_to(page, "reason")
        await page.keyboard.type("mistyped")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("Nothing has changed")
        await _tab_to(page, "reason")
        await page.keyboard.type("mistyped")
        await _tab_to(page, "untried")
        await page.keyboard.press("Space")
        await _tab_to(page, "do")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status").first).to_contain_text("in use again")
        await expect(page.get_by_text("The former one brought back: mistyped")).to_be_visible()
        await _tab_to(page, "reason-forget")
        await page.keyboard.type("it leaked")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status").first).to_contain_text("is wiped, for good")
        await expect(page.get_by_role("heading", name="The former one")).to_have_count(0)
    assert await stage.owner.fetchval("select count(*) from credential_former") == 0
