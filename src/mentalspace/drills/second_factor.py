"""Rehearses the second factor as a person meets it: through the running console's own pages."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

import aiohttp
import pyotp
from yarl import URL

from mentalspace.engine.db import connect_owner
from mentalspace.engine.services import Services
from mentalspace.practice.colleague import reset_by_operator
from mentalspace.practice.identity import create_user
from mentalspace.practice.second_factor import MOST_FAILURES, STEP_S
from mentalspace.practice.tenancy import ensure_practice

CALL_WITHIN_S = 10.0
_WRONG = "000000"


class Rehearser:
    """A made-up colleague in the drills' practice, with a browser and a device."""

    closing = "the made-up colleague can sign in no more"

    def __init__(self, services: Services, run_id: str) -> None:
        self._services = services
        self._url = URL(f"http://127.0.0.1:{services.settings.port}")
        self._email = f"second-factor-{run_id}@drill.example"
        self._password = secrets.token_urlsafe(16)
        self._secret = ""
        self._recovery: list[str] = []
        self._shown = ""  # the code the device showed last

    async def enrol_with_a_wrong_code(self) -> str:
        async with self._browser() as browser:
            await self._give_password(browser)
            http, _text = await self._confirm(browser, self._wrong_code())
        return "refused" if http == 422 else f"answered {http}"

    async def enrol(self) -> str:
        async with self._browser() as browser:
            await self._give_password(browser)
            _http, text = await self._confirm(browser, self._code())
        self._recovery = re.findall(r"<code>([a-z2-7-]{19})</code>", text)
        return f"{len(self._recovery)} recovery codes"

    async def log_in_with_the_password_alone(self) -> str:
        async with self._browser() as browser:
            where = await self._give_password(browser)
            async with browser.get("/messages") as page:
                inside = page.url.path != "/login"
        return "asked for a code" if where == "/login/code" and not inside else "signed in"

    async def log_in_with_a_wrong_code(self) -> str:
        return await self._log_in(self._wrong_code())

    async def log_in_with_the_right_code(self) -> str:
        # The next one: that of the enrolment is used, and holds half a minute ahead already.
        self._shown = self._code(ahead=1)
        return await self._log_in(self._shown)

    async def log_in_with_the_same_code_again(self) -> str:
        return await self._log_in(self._shown)

    async def log_in_with_a_recovery_code(self) -> str:
        return await self._log_in(self._recovery[0])

    async def log_in_with_the_same_recovery_code_again(self) -> str:
        return await self._log_in(self._recovery[0])

    async def log_in_after_five_wrong_codes(self) -> str:
        for _ in range(MOST_FAILURES):
            await self._log_in(self._wrong_code())
        return await self._log_in(self._recovery[1])

    async def log_in_after_a_reset(self) -> str:
        async with connect_owner(self._services.admin_url) as owner, owner.transaction():
            await reset_by_operator(owner, self._email, "drill")
        async with self._browser() as browser:
            where = await self._give_password(browser)
        return "asked for a code" if where == "/login/code" else "signed in"

    async def come(self) -> None:
        async with connect_owner(self._services.admin_url) as owner:
            practice_id = await ensure_practice(
                owner, "drill", name="Drills", timezone="UTC", is_drill=True
            )
            role = [("front_desk", practice_id)]
            await create_user(owner, self._email, "Drill", self._password, role)

    async def leave(self) -> None:
        """Nobody can sign in as the colleague any more."""
        async with connect_owner(self._services.admin_url) as owner:
            await owner.execute("update app_user set active = false where email = $1", self._email)

    @asynccontextmanager
    async def _browser(self) -> AsyncIterator[aiohttp.ClientSession]:
        """A fresh one, which knows no cookie yet."""
        jar = aiohttp.CookieJar(unsafe=True, treat_as_secure_origin=self._url)
        timeout = aiohttp.ClientTimeout(total=CALL_WITHIN_S)
        async with aiohttp.ClientSession(self._url, cookie_jar=jar, timeout=timeout) as browser:
            yield browser

    async def _give_password(self, browser: aiohttp.ClientSession) -> str:
        """The first step; where it led."""
        async with browser.get("/login") as page:
            token = _hidden(await page.text(), "token")
        form = {
            "token": token,
            "email": self._email,
            "password": self._password,
            "next": "/messages",
        }
        async with browser.post("/login", data=form) as page:
            return page.url.path

    async def _log_in(self, code: str) -> str:
        async with self._browser() as browser:
            await self._give_password(browser)
            async with browser.get("/login/code") as page:
                token = _hidden(await page.text(), "token")
            form = {"token": token, "code": code, "next": "/messages"}
            async with browser.post("/login/code", data=form) as page:
                if page.status == 200 and page.url.path == "/messages":
                    return "signed in"
                return "locked" if "rests for 15 minutes" in await page.text() else "refused"

    async def _confirm(self, browser: aiohttp.ClientSession, code: str) -> tuple[int, str]:
        async with browser.get("/second-factor") as page:
            text = await page.text()
        shown = re.search(r'class="secret">([A-Z2-7 ]+)<', text)
        self._secret = shown[1].replace(" ", "") if shown else ""
        form = {"csrf": _hidden(text, "csrf"), "do": "confirm", "code": code}
        async with browser.post("/second-factor", data=form) as page:
            return page.status, await page.text()

    def _code(self, *, ahead: int = 0) -> str:
        return pyotp.TOTP(self._secret).generate_otp(int(time.time()) // STEP_S + ahead)

    def _wrong_code(self) -> str:
        near = {self._code(ahead=n) for n in range(-2, 3)} if self._secret else set()
        return next(code for code in (_WRONG, "111111", "222222", "333333", "444444", "555555")
                    if code not in near)  # fmt: skip


Act = Callable[[Rehearser], Awaitable[str]]

# What a rehearsal's steps may do.
ACTS: Mapping[str, Act] = MappingProxyType(
    {
        act.__name__: act
        for act in (
            Rehearser.enrol_with_a_wrong_code,
            Rehearser.enrol,
            Rehearser.log_in_with_the_password_alone,
            Rehearser.log_in_with_a_wrong_code,
            Rehearser.log_in_with_the_right_code,
            Rehearser.log_in_with_the_same_code_again,
            Rehearser.log_in_with_a_recovery_code,
            Rehearser.log_in_with_the_same_recovery_code_again,
            Rehearser.log_in_after_five_wrong_codes,
            Rehearser.log_in_after_a_reset,
        )
    }
)


def _hidden(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    if found is None:
        raise LookupError(f"the page has no field {name!r}")
    return found[1]
