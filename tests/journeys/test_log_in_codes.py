"""A client's code by text through the whole house, with Twilio as it is and as it fails."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import aiohttp

from mentalspace.engine.db import connect_owner
from mentalspace.kernel.phi import Phi
from mentalspace.practice.identity import create_user
from mentalspace.workflows.appointments import book
from mentalspace.workflows.demo import system_claims
from tests.console.test_doors import _hidden, log_in
from tests.house import House, new_appointment, until
from tests.journeys.test_text_journey import telephones

PASSWORD = "a long enough password"


@asynccontextmanager
async def browser(house: House) -> AsyncIterator[aiohttp.ClientSession]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(house.url, cookie_jar=jar) as http:
        yield http


async def in_portal(house: House, name: str, typed: str) -> UUID:
    """A client of the demo's practice who can log in, with a telephone, and one appointment over
    so that no other mail goes to them."""
    address = f"{name}@demo.example"
    new = new_appointment(address, house.services.clock.now() - timedelta(days=1), f"a-{name}")
    await book(
        house.services, system_claims(house.practice_id), replace(new, client_phone=Phi(typed))
    )
    async with connect_owner(house.services.admin_url) as owner:
        client_id: UUID = await owner.fetchval("select id from client where email = $1", address)
        membership = [("client", house.practice_id)]
        await create_user(owner, address, name, PASSWORD, membership, client_id=client_id)
    return client_id


async def ask(http: aiohttp.ClientSession, who: str) -> str:
    async with http.get("/login/text") as page:
        token = _hidden(await page.text(), "token")
    async with http.post("/login/text", data={"token": token, "who": who}) as answer:
        assert answer.status == 200
        return await answer.text()


async def bodies(house: House, room: str, to: str, count: int = 1) -> list[str]:
    """What lies on a telephone, or in a mailbox, once that much does."""

    async def found() -> list[str]:
        kept = await house.sandbox("GET", f"/mailbox?room={room}&to={to}")
        return [str(one) for one in kept] if len(kept) >= count else []

    return [*await until(found)]


async def test_a_code_is_read_off_the_telephone_and_lets_in(house: House) -> None:
    """Asked for by the number, delivered, given, and the portal is open; with Twilio down the
    page stays as it is, staff log in as ever, and once its time is over a link goes by mail."""
    await in_portal(house, "testa", "(202) 555-0142")
    async with browser(house) as http:
        page = await ask(http, "202-555-0142")
        [text] = await bodies(house, "sms", "2025550142")
        code = re.findall(r"#([0-9]{6})", text)[0]
        data = {"token": _hidden(page, "token"), "who": "x", "code": code}
        async with http.post("/login/text/code", data=data) as answer:
            assert answer.url.path == "/portal"
    await until(lambda: has_ended(house, "log_in_code", "delivered"))
    await in_portal(house, "nobody-texts", "(202) 555-0143")
    await house.sandbox("POST", "/break/sms/twilio", {"preset": "down"})
    async with browser(house) as http:
        assert "/forgot" in await ask(http, "nobody-texts@demo.example")
        answer = await log_in(http, "oncall@demo.example", house.app.demo_password)
        assert answer.url.path == "/messages"
    await house.advance(timedelta(minutes=11))
    await bodies(house, "email", "nobody-texts@demo.example")
    assert not await house.sandbox("GET", "/mailbox?room=email&to=testa@demo.example")


async def test_what_no_text_brings_goes_by_mail_once(house: House) -> None:
    """Refused at once (21211), or undelivered by what a callback says (30005, 30006): one link
    each, which works, and the text's timeline says so."""
    fates = {"+12025550141": "21211", "+12025550142": "30005", "+12025550143": "30006"}
    await telephones(house, fates)
    async with browser(house) as http:
        for name, number in (("one", "0141"), ("two", "0142"), ("three", "0143")):
            await in_portal(house, name, f"+1 202 555 {number}")
            await ask(http, f"{name}@demo.example")
        for name in ("one", "two", "three"):
            [mail] = await bodies(house, "email", f"{name}@demo.example")
            async with http.get(re.findall(r"/reset/[A-Za-z0-9_-]+", mail)[0]) as answer:
                assert 'name="password"' in await answer.text()
    async with house.services.database.as_oncall() as connection:
        told = "select count(distinct delivery_id) from timeline where kind = 'link_by_mail'"
        assert await connection.fetchval(told) == 3
    assert len(await house.sandbox("GET", "/mailbox?room=email")) == 3


async def has_ended(house: House, kind: str, status: str) -> bool:
    return any((d["kind"], d["status"]) == (kind, status) for d in await house.deliveries())
