"""A client's log-in by text: used as it is meant to be, and attacked."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from mentalspace.integrations.sms.model import Text
from mentalspace.practice.identity import create_user
from mentalspace.practice.limits import Limit, allows
from mentalspace.practice.one_time_code import (
    find_asker,
    forget_log_ins,
    may_text,
    new_attempt,
    open_code,
    take_code,
)
from mentalspace.workflows.access_mails import ask_reset
from mentalspace.workflows.log_in_codes import mail_links, send_code
from tests.console.stage import CLIENT, PASSWORD, Stage
from tests.console.test_doors import _hidden, log_in, visitor
from tests.console.test_pages import _CONTRAST, _WCAG, overflow, violations
from tests.house import until

pytestmark = pytest.mark.database

ADDRESS, PHONE, NUMBER = "client0@demo.example", "+1 (312) 555-0142", "+13125550142"
_ASKED = "select count(*) >= $1 from one_time_code"
SENT = "select practice_id, subject_id, payload from delivery where kind = 'log_in_code'"


@pytest.fixture
async def client(stage: Stage) -> UUID:
    """A client in the portal with a mobile, in a practice that can text."""
    await stage.owner.execute(
        "update client set phone = $2, phone_e164 = $3 where id = $1", stage.client, PHONE, NUMBER
    )
    await create_user(
        stage.owner,
        ADDRESS,
        CLIENT,
        PASSWORD,
        [("client", stage.lakeside)],
        client_id=stage.client,
    )
    await stage.owner.execute(
        "with made as (insert into credential (practice_id, integration, provider, endpoint,"
        " base_url, live, secrets, rate_per_s) values ($1, 'sms', 'twilio', 'codes-test',"
        " 'http://127.0.0.1:9', false, '', 1) returning id)"
        " insert into lane (practice_id, credential_id, integration, provider, class)"
        " select $1, id, 'sms', 'twilio', class from made,"
        " unnest(array['interactive', 'bulk']) as class",
        stage.lakeside,
    )
    return stage.client


async def texts(stage: Stage) -> list[Text]:
    rows = await stage.owner.fetch(SENT + " and payload is not null order by created_at")
    vault = stage.services.vault
    return [
        Text.from_bytes(vault.open(row["practice_id"], "delivery", row["payload"])) for row in rows
    ]


def code_in(text: Text) -> str:
    found = re.fullmatch(r"@127\.0\.0\.1 #([0-9]{6})", text.body.splitlines()[-1])
    assert found
    return found[1]


async def forget_limits(stage: Stage) -> None:
    await stage.owner.execute("delete from attempt_limit")


async def ask(http: aiohttp.ClientSession, who: str) -> tuple[int, str]:
    async with http.get("/login/text") as page:
        token = _hidden(await page.text(), "token")
    async with http.post("/login/text", data={"token": token, "who": who}) as answer:
        text = await answer.text()
        return answer.status, text


async def give(http: aiohttp.ClientSession, page: str, code: str) -> aiohttp.ClientResponse:
    data = {"token": _hidden(page, "token"), "who": "x", "code": code}
    answer = await http.post("/login/text/code", data=data)
    await answer.read()
    return answer


@pytest.mark.parametrize(("width", "language"), [(390, "en"), (1280, "es")])
async def test_a_client_logs_in(
    browser: Browser, stage: Stage, client: UUID, width: int, language: str
) -> None:
    """By number as by address, in either language; the page is ready for a telephone to fill the
    code in, fits, and breaks no rule of accessibility."""
    await stage.owner.execute("update client set language = $2 where id = $1", client, language)
    context = await browser.new_context(viewport={"width": width, "height": 800})
    page = await context.new_page()
    await page.goto(f"{stage.url}/login/text?language={language}")
    assert not await violations(page, _WCAG)
    await page.locator("#who").fill("312 555 0142" if width == 390 else ADDRESS.upper())
    await page.locator("button.main").click()
    shown = page.get_by_role("status")
    await expect(shown).to_be_visible()
    assert ("42" in await shown.inner_text()) == (width == 390)
    assert await overflow(page) <= 0
    assert not await violations(page, _WCAG)
    await page.emulate_media(color_scheme="dark")
    assert not await violations(page, _CONTRAST)
    field = page.locator("#code")
    assert await field.get_attribute("autocomplete") == "one-time-code"
    assert await field.get_attribute("inputmode") == "numeric"
    [text] = await until(lambda: texts(stage))
    assert text.to == "+13125550142"
    await field.fill(code_in(text))
    await page.locator("button.main").click()
    await expect(page).to_have_url(f"{stage.url}/portal")
    await context.close()


async def test_guesses_replays_and_races_do_not_get_in(stage: Stage, client: UUID) -> None:
    """Five checks and no sixth, even for the right code; one use; of twenty who give the right
    code at once exactly one is let in; another session's, an old and a voided code open nothing."""
    services = stage.services
    database, vault = services.database, services.vault
    asker = await find_asker(database, ADDRESS, None, demo_allowed=True)
    assert asker is not None

    async def fresh() -> tuple[str, str]:
        attempt = new_attempt()
        async with database.as_door() as connection:
            return attempt, (await open_code(connection, vault, attempt, asker)).digits

    def wrong(digits: str) -> str:
        return f"{(int(digits) + 1) % 10**6:06}"

    attempt, digits = await fresh()
    for _ in range(5):
        assert await take_code(database, vault, attempt, wrong(digits)) is None
    assert await take_code(database, vault, attempt, digits) is None

    attempt, digits = await fresh()
    for _ in range(4):
        assert await take_code(database, vault, attempt, wrong(digits)) is None
    assert await take_code(database, vault, attempt, f"{digits[:3]} {digits[3:]}") is not None
    assert await take_code(database, vault, attempt, digits) is None

    attempt, digits = await fresh()
    let_in = await asyncio.gather(*(take_code(database, vault, attempt, digits) for _ in range(20)))
    assert sum(one is not None for one in let_in) == 1

    attempt, digits = await fresh()
    assert await take_code(database, vault, new_attempt(), digits) is None
    newer, newer_digits = await fresh()
    assert await take_code(database, vault, attempt, digits) is None
    assert await take_code(database, vault, newer, digits + newer_digits) is None
    await stage.owner.execute("update one_time_code set expires_at = clock_timestamp()")
    assert await take_code(database, vault, newer, newer_digits) is None


async def test_nobody_learns_who_is_a_client(stage: Stage, client: UUID) -> None:
    """Client, staff, nobody and nonsense get the same page; only the client is texted, and a
    wrong code is answered alike."""
    pages, refusals, number = set(), set(), 0
    async with visitor(stage, None) as http:
        for who in (ADDRESS, "frontdesk@demo.example", "nobody@demo.example", "\0", "x" * 400):
            status, page = await ask(http, who)
            blank = re.sub(r'value="[^"]*"', "", page)
            pages.add((status, blank))
            number += 1
            await until(partial(stage.owner.fetchval, _ASKED, number))
            answer = await give(http, page, "12345x")
            refusals.add((answer.status, re.sub(r'value="[^"]*"', "", await answer.text())))
    assert len(pages) == len(refusals) == 1
    refused = "select count(*) from audit where action = 'log_in_refused'"
    assert await stage.owner.fetchval(refused) == 5
    await until(lambda: texts(stage))
    assert len(await texts(stage)) == 1


async def test_sends_are_limited(stage: Stage, client: UUID) -> None:
    """A number rests longer and longer, a range and a network have their share, no text goes
    abroad, and what is not texted goes as a link by mail."""
    services, owner = stage.services, stage.owner
    database, vault = services.database, services.vault

    async def sends(number: str, times: int) -> int:
        async with database.as_door() as connection:
            return sum([await may_text(connection, vault, number, "US") for _ in range(times)])

    assert await sends("+13125550142", 3) == 1
    for waits, allowed in ((31, 1), (31, 0), (90, 1), (31, 0)):
        await owner.execute(
            "update attempt_limit set at = at - $1::interval", timedelta(seconds=waits)
        )
        assert await sends("+13125550142", 2) == allowed
    await forget_limits(stage)
    assert sum([await sends(f"+1312556{n:04}", 1) for n in range(25)]) == 20
    await forget_limits(stage)
    together = await asyncio.gather(
        *(allows(database, vault, "k", Limit("t", 3, timedelta(hours=1))) for _ in range(9))
    )
    assert sum(together) == 3

    for phone in ("+18765550142", "+447700900123", "+18005550142", None):
        await owner.execute("update client set phone_e164 = $2 where id = $1", client, phone)
        await send_code(services, new_attempt(), ADDRESS)
    assert not await texts(stage)
    assert await owner.fetchval("select count(*) from delivery where kind = 'password_reset'") == 3

    await forget_limits(stage)
    async with visitor(stage, None) as http:
        answered = [(await ask(http, f"n{n}@demo.example"))[0] for n in range(12)]
        assert answered == [200] * 10 + [429] * 2
        await forget_limits(stage)
        assert [(await ask(http, "a@demo.example"))[0] for _ in range(2)] == [200, 429]


async def test_a_text_that_ended_badly_has_one_link_in_its_place(
    stage: Stage, client: UUID
) -> None:
    """Once, by mail; none where the client asked for a code or a link since, or got in."""
    services, owner = stage.services, stage.owner

    async def send_badly() -> tuple[str, str]:
        await forget_limits(stage)
        attempt = new_attempt()
        await send_code(services, attempt, ADDRESS)
        code = code_in((await texts(stage))[-1])
        for status in ("due", "sending", "accepted", "bounced"):
            await owner.execute(
                "update delivery set status = $1 where kind = 'log_in_code' and status <> 'bounced'"
                " and status <> 'cancelled'",
                status,
            )
        return attempt, code

    async def links() -> int:
        await asyncio.gather(mail_links(services), mail_links(services))
        resets = "select count(*) from delivery where kind = 'password_reset'"
        return int(await owner.fetchval(resets))

    await send_badly()
    assert (await links(), await links()) == (1, 1)
    await send_badly()
    await send_badly()
    assert await links() == 2
    await send_badly()
    await ask_reset(services, ADDRESS)
    assert await links() == 3
    await owner.execute("delete from access_token")
    attempt, code = await send_badly()
    assert await take_code(services.database, services.vault, attempt, code) is not None
    assert await links() == 3
    assert await owner.fetchval("select count(*) from timeline where kind = 'link_by_mail'") == 2


async def test_a_code_is_nowhere_but_in_its_text(stage: Stage, client: UUID, logs: Path) -> None:
    """Not in logs, timeline, audit or any column in clear; once it is used the text is wiped too,
    and what log-ins leave behind is thrown away."""
    async with visitor(stage, None) as http:
        _status, page = await ask(http, ADDRESS)
        [text] = await until(lambda: texts(stage))
        code = code_in(text)
        assert (await give(http, page, code)).url.path == "/portal"
    assert f"#{code}" not in await asyncio.to_thread(logs.read_text)
    for table in ("timeline", "audit", "one_time_code", "attempt_limit", "delivery", "session"):
        rows = await stage.owner.fetch(f"select to_jsonb(t)::text as row from {table} t")
        said = " ".join(json.dumps(row["row"]) for row in rows)
        assert not re.search(rf"(?<![0-9a-f]){code}(?![0-9a-f])", said), table
        assert NUMBER[2:] not in said, table
    await stage.owner.execute("update delivery set status = 'cancelled' where kind = 'log_in_code'")
    await stage.owner.execute(
        "insert into half_log_in (id_hash, user_id, created_at) select $1, id,"
        " clock_timestamp() - interval '2 d' from app_user where email = $2",
        secrets.token_bytes(32),
        ADDRESS,
    )
    await forget_log_ins(stage.services.database)
    assert not await texts(stage)
    assert await stage.owner.fetchval("select count(*) from half_log_in") == 0


async def test_staff_never_need_a_text(stage: Stage, client: UUID) -> None:
    """No code goes to staff, nor to a client with a second factor; and with nothing left of what
    codes are made of, staff log in as ever."""
    database = stage.services.database
    assert await find_asker(database, "frontdesk@demo.example", None, demo_allowed=True) is None
    assert await find_asker(database, ADDRESS, None, demo_allowed=False) is None
    await stage.owner.execute(
        "insert into second_factor (user_id, secret, enrolled_at) select id, '\\x00',"
        " clock_timestamp() from app_user where email = $1",
        ADDRESS,
    )
    assert await find_asker(database, ADDRESS, None, demo_allowed=True) is None
    await stage.owner.execute("drop function app.client_to_text; drop table one_time_code")
    await stage.owner.execute("delete from lane where integration = 'sms'")
    async with visitor(stage, None) as http:
        answer = await log_in(http, "oncall@demo.example", PASSWORD)
        assert answer.url.path == "/messages"
    assert (
        await stage.owner.fetchval("select count(*) from delivery where integration = 'sms'") == 0
    )
