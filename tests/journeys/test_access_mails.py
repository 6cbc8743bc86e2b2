"""A forgotten password's mail goes the way of all mails, and its link stays out of the logs."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from tests.house import House, until


async def test_a_reset_goes_out_at_once_and_its_link_is_nowhere_else(
    house: House, logs: Path
) -> None:
    """On the interactive lane, delivered, and neither log nor timeline holds the token."""
    async with house.http.post(
        f"{house.url}/forgot", data={"email": "oncall@demo.example"}
    ) as answer:
        assert answer.status == 200
    [mail] = await until(lambda: house.sandbox("GET", "/mailbox"))
    assert f"{house.services.settings.site_url}/reset/" in str(mail)
    found = re.search(r"/reset/([\w-]{43})", str(mail))
    assert found
    async with house.http.get(f"{house.url}{found[0]}") as answer:
        assert "Choose a new password" in await answer.text()
    form = {"password": "a long new sentence", "again": "a long new sentence"}
    async with house.http.post(f"{house.url}{found[0]}", data=form) as answer:
        assert answer.url.path == "/reset"
    [delivery] = await house.deliveries()
    assert delivery["kind"] == "password_reset"
    async with house.services.database.as_oncall() as connection:
        lane = await connection.fetchval(
            "select l.class from lane l join delivery d on d.lane_id = l.id where d.id = $1",
            delivery["id"],
        )
        told = await connection.fetch("select data::text from timeline")
        audited = await connection.fetch("select action, data::text from audit")
    assert lane == "interactive"
    said = await asyncio.to_thread(logs.read_text)
    assert '"/reset/{token}"' in said
    assert found[1] not in said + str(told) + str(audited)
