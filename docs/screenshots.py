"""Draws docs/images anew: what whoever is on call sees at night, on a desk and on a telephone.

A whole installation runs its demo's day, Twilio refuses the key in the middle of it, and a browser
looks. `make screenshots` writes them; nothing compares them, for they show a clock.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from playwright.async_api import Page

from benchmarks.stage import until
from mentalspace.workflows.sandbox_keeping import call_sandbox
from tests.browser import headless
from tests.torture.installation import Installation, installed

IMAGES = Path(__file__).parent / "images"
# As wide and high as a laptop's window, and as a telephone.
SCREENS = {"desk": (1280, 900), "phone": (390, 844)}
_INCIDENT = 'main a[href^="/incidents/"]'
# So long a day goes well before it does not, and so long the system has for what it does by itself.
_WELL_S, _BROKEN_S = 45.0, 20.0


async def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    async with installed(MENTALSPACE_DEMO_DAY="on") as installation, headless() as browser:
        page = await browser.new_page()
        base = f"http://127.0.0.1:{installation.app.settings.port}"
        await _log_in(page, base, installation.app.demo_password)
        await asyncio.sleep(_WELL_S)
        await _break(installation)
        await until(lambda: _is_there(page, base), within_s=300, every_s=2)
        await asyncio.sleep(_BROKEN_S)
        await page.goto(f"{base}/")
        incident = await page.get_attribute(_INCIDENT, "href")
        for screen, (width, height) in SCREENS.items():
            await page.set_viewport_size({"width": width, "height": height})
            for name, path in (("fleet", "/"), ("incident", incident)):
                await page.goto(f"{base}{path}")
                await page.screenshot(path=IMAGES / f"{name}-{screen}.png")


async def _log_in(page: Page, base: str, password: str) -> None:
    await page.goto(f"{base}/login")
    await page.fill("input[name=email]", "oncall@demo.example")
    await page.fill("input[name=password]", password)
    await page.keyboard.press("Enter")
    await page.wait_for_url(lambda url: not url.endswith("/login"))


async def _break(installation: Installation) -> None:
    async with installation.app.open_services() as services:
        await call_sandbox(services, "POST", "/break/sms/twilio", {"preset": "key_revoked"})


async def _is_there(page: Page, base: str) -> bool:
    await page.goto(f"{base}/")
    return await page.query_selector(_INCIDENT) is not None


if __name__ == "__main__":
    asyncio.run(main())
