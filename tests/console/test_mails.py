"""The mails in a real browser: readable in light and dark, on a desk and on a phone."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.async_api import Browser, Request

from mentalspace.integrations.email.tests.samples import every_mail
from mentalspace.integrations.email.words import LANGUAGES
from tests.console.test_pages import overflow, violations

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
