"""A credential left in test mode: its incident's button ends it, and only what is new goes out."""

from __future__ import annotations

import aiohttp

from mentalspace.engine.db import connect_owner
from tests.console.test_burning import words
from tests.console.test_doors import _csrf as csrf_of
from tests.console.test_doors import log_in
from tests.house import House, until


async def test_whoever_was_refused_stays_so_and_the_next_is_reached(house: House) -> None:
    """The page names who left it on; switched off there, a new mail arrives and it is over."""
    async with connect_owner(house.services.admin_url) as owner:
        await owner.execute(
            "update credential set test_only = true where provider = 'resend'"
            " and practice_id = (select id from practice where is_default)"
        )
        await owner.execute(
            "insert into audit (practice_id, actor, action, data) select id,"
            " 'theo (command line)', 'test_mode_begun', '{\"what\": \"email resend\"}'"
            " from practice where is_default"
        )
    for number in range(6):
        await house.book(f"p{number}@demo.example", external_id=f"a-{number}")
    [incident, *_others] = await until(house.incidents)
    where, jar = f"/incidents/{incident['id']}", aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(house.url, cookie_jar=jar) as http:
        await log_in(http, "oncall@demo.example", house.app.demo_password)
        form = {"csrf": await csrf_of(http), "reason": "it was forgotten"}
        async with http.get(where) as answer:
            page = words(await answer.text())
        assert "Left in test mode by theo (command line), since" in page
        assert "Ask theo (command line), who switched test mode on" in page
        async with http.post(f"{where}/acts/test_mode_off", data=form) as answer:
            assert answer.status == 200
            assert "Test mode is off" in words(await answer.text())
    await house.book("p9@demo.example", external_id="a-9")
    await until(lambda: _number(house, "delivered"))
    assert await _number(house, "refused") >= 6


async def _number(house: House, status: str) -> int:
    async with connect_owner(house.services.admin_url) as owner:
        found: int = await owner.fetchval(
            "select count(*) from delivery where integration = 'email' and status = $1", status
        )
    return found
