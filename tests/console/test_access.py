"""Forgotten passwords and the client's portal: links that work once, for whom they went to."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from mentalspace.integrations.email.model import Mail
from mentalspace.practice.access import redeem
from mentalspace.workflows.access_mails import ask_reset
from mentalspace.workflows.appointments import book
from mentalspace.workflows.demo import system_claims
from tests.console.stage import PASSWORD, Stage
from tests.console.test_doors import _csrf, log_in, visitor
from tests.console.test_pages import _CONTRAST, _WCAG, overflow, violations
from tests.house import new_appointment, until

NEW = "a long new sentence"
CLIENT = "rosa@demo.example"


async def _mails(stage: Stage, kind: str) -> list[tuple[UUID, Mail]]:
    """Whose account carries it, and the mail; in the order written."""
    rows = await stage.owner.fetch(
        "select practice_id, payload from delivery where kind = $1 order by created_at", kind
    )
    vault = stage.services.vault
    return [
        (row[0], Mail.from_bytes(vault.open(row["practice_id"], "delivery", row["payload"])))
        for row in rows
    ]


def _link(mail: Mail) -> str:
    found = re.search(r"/reset/[\w-]{43}", mail.text)
    assert found
    assert found[0] in mail.html
    return found[0]


async def _forgot(http: aiohttp.ClientSession, address: str) -> tuple[int, str]:
    async with http.post("/forgot", data={"email": address}) as answer:
        return answer.status, await answer.text()


async def _reset_link(stage: Stage, http: aiohttp.ClientSession, address: str) -> str:
    await _forgot(http, address)
    [(_, mail), *_] = await until(lambda: _mails(stage, "password_reset"))
    assert mail.to == address
    return _link(mail)


async def _set(http: aiohttp.ClientSession, link: str, password: str, again: str = "") -> int:
    data = {"password": password, "again": again or password}
    async with http.post(link, data=data) as answer:
        await answer.read()
        return answer.status


async def _invited(stage: Stage, language: str = "es") -> UUID:
    """A client with an appointment, whom the front desk has invited."""
    new = new_appointment(CLIENT, datetime.now(UTC) + timedelta(days=3), "portal-1")
    await book(
        stage.services, system_claims(stage.lakeside), replace(new, client_language=language)
    )
    client_id: UUID = await stage.owner.fetchval("select id from client where email = $1", CLIENT)
    assert "on its way" in await _invite(stage, client_id)
    return client_id


async def _invite(stage: Stage, client_id: Any, who: str = "frontdesk") -> str:
    async with visitor(stage, who) as http:
        data = {"csrf": await _csrf(http)}
        async with http.post(f"/clients/{client_id}/invite", data=data) as answer:
            return await answer.text()


async def test_a_forgotten_password_is_chosen_anew(stage: Stage) -> None:
    """The link may be opened by any scanner; its one use sets the password, ends every session
    of theirs, and is written down without the link."""
    async with visitor(stage, "biller") as elsewhere, visitor(stage, None) as http:
        link = await _reset_link(stage, http, "biller@demo.example")
        for method in ("GET", "HEAD", "GET"):
            async with http.request(method, link) as answer:
                assert answer.status == 200
                assert answer.headers["referrer-policy"] == "no-referrer"
        assert await _set(http, link, NEW, "another one") == 422
        assert await _set(http, link, "short") == 422
        async with elsewhere.get("/tasks") as answer:
            assert answer.url.path == "/tasks"
        await stage.owner.execute(
            "insert into half_log_in (id_hash, user_id)"
            " select '\\x00', id from app_user where email = 'biller@demo.example'"
        )
        assert await _set(http, link, NEW) == 200
        assert await stage.owner.fetchval("select ended_at is not null from half_log_in")
        assert await _set(http, link, "yet another one") == 404
        async with elsewhere.get("/tasks") as answer:
            assert answer.url.path == "/login"
        assert (await log_in(http, "biller@demo.example", PASSWORD)).status == 401
        assert (await log_in(http, "biller@demo.example", NEW)).url.path == "/messages"
    rows = await stage.owner.fetch(
        "select action from audit where action like 'password%' order by id"
    )
    assert [row["action"] for row in rows] == ["password_reset_asked", "password_reset"]
    kept = await stage.owner.fetchrow(
        "select token_hash, idempotency_key from access_token, delivery"
        " where kind = 'password_reset'"
    )
    assert link.removeprefix("/reset/") not in str(kept)


async def test_nobody_learns_whether_an_address_is_known(stage: Stage) -> None:
    """Known, unknown and odd addresses get the same page; only the known one gets a mail."""
    async with visitor(stage, None) as http:
        addresses = ("biller@demo.example", "nobody@demo.example", "", "\0", "x" * 5000)
        assert len({await _forgot(http, address) for address in addresses}) == 1
        await until(lambda: _mails(stage, "password_reset"))
    assert len(await _mails(stage, "password_reset")) == 1


async def test_asking_is_limited(stage: Stage) -> None:
    """A mailbox gets three mails an hour; a network may ask ten times."""
    for _ in range(5):
        await ask_reset(stage.services, "biller@demo.example")
    mails = await _mails(stage, "password_reset")
    assert len(mails) == 3
    # Each of the three works until one is used, and then none does.
    assert await redeem(stage.services.database, _link(mails[0][1])[7:], NEW)
    assert not await redeem(stage.services.database, _link(mails[2][1])[7:], NEW)
    async with visitor(stage, None) as http:
        statuses = [(await _forgot(http, f"n{n}@demo.example"))[0] for n in range(12)]
    assert statuses == [200] * 10 + [429] * 2


async def test_a_link_is_used_once_even_side_by_side(stage: Stage) -> None:
    """Of two who use a link in the same moment one is too late; an hour later everybody is."""
    async with visitor(stage, None) as http:
        link = await _reset_link(stage, http, "biller@demo.example")
        token = link.removeprefix("/reset/")
        database = stage.services.database
        used = await asyncio.gather(*(redeem(database, token, f"{NEW} {n}") for n in range(4)))
        assert sorted(used) == [False, False, False, True]
        await stage.owner.execute(
            "update access_token set used_at = null, voided_at = null,"
            " expires_at = clock_timestamp() - interval '1 s'"
        )
        assert not await redeem(database, token, NEW)


async def test_on_call_is_written_to_by_the_default_practice(stage: Stage) -> None:
    """Somebody without a practice gets their link through the default practice's account."""
    async with visitor(stage, None) as http:
        await _forgot(http, "oncall@demo.example")
        [(practice_id, mail)] = await until(lambda: _mails(stage, "password_reset"))
    assert (practice_id, mail.to) == (stage.lakeside, "oncall@demo.example")


async def test_only_a_colleagues_reset_waits_for_no_agreement(stage: Stage) -> None:
    """That somebody is a client is health information, in their reset as in their invitation."""
    await _invited(stage)
    [(_, invitation)] = await _mails(stage, "portal_invitation")
    async with visitor(stage, None) as http:
        assert await _set(http, _link(invitation), NEW) == 200
        for address in ("biller@demo.example", CLIENT):
            await _forgot(http, address)
    await until(lambda: _both_written(stage))
    rows = await stage.owner.fetch(
        "select kind, carries_phi from delivery where kind <> all ($1) order by created_at",
        ["appointment_created", "reminder"],
    )
    assert [tuple(row) for row in rows if row["kind"] != "appointment_updated"] == [
        ("portal_invitation", True),
        ("password_reset", False),
        ("password_reset", True),
    ]


async def _both_written(stage: Stage) -> bool:
    return len(await _mails(stage, "password_reset")) == 2


async def test_a_locked_account_opens_with_a_new_password(stage: Stage) -> None:
    """Whoever locked themselves out by guessing need not wait once the mailbox was theirs."""
    async with visitor(stage, None) as http:
        for _ in range(6):
            await log_in(http, "biller@demo.example", "a wrong guess")
        link = await _reset_link(stage, http, "biller@demo.example")
        assert await _set(http, link, NEW) == 200
        assert (await log_in(http, "biller@demo.example", NEW)).status == 200


async def test_an_invited_client_sees_their_own_appointments(stage: Stage) -> None:
    """From the front desk's button to the portal, in the client's language, and no further."""
    client_id = await _invited(stage)
    [(_, mail)] = await _mails(stage, "portal_invitation")
    assert mail.subject == "Su invitación al portal"
    async with visitor(stage, None) as http:
        async with http.get(_link(mail)) as answer:
            page = await answer.text()
            assert '<html lang="es">' in page
            assert "Lakeside Counseling" in page
        assert await _set(http, _link(mail), NEW) == 200
        assert (await log_in(http, CLIENT, NEW)).status == 403, "messages are the staff's"
        async with http.get("/") as answer:
            page = await answer.text()
            assert answer.url.path == "/portal"
        assert page.count("(C") == 1, "one appointment, in the client's zone"
        assert "Testa Person" in page
        for path in ("/clients", "/appointments", "/templates", "/tasks"):
            async with http.get(path) as answer:
                assert (path, answer.status) == (path, 403)
    async with visitor(stage, "frontdesk") as http:
        async with http.get("/portal") as answer:
            assert answer.status == 403
        async with http.get("/clients") as answer:
            assert "In the portal" in await answer.text()
    actions = await stage.owner.fetch(
        "select action from audit where action like 'portal%' order by id"
    )
    assert [row["action"] for row in actions] == ["portal_invited", "portal_joined"]
    member = await stage.owner.fetchrow(
        "select role, client_id from membership where role='client'"
    )
    assert member is not None
    assert tuple(member) == ("client", client_id)


async def test_an_invitation_loses_its_force(stage: Stage) -> None:
    """A newer one, or another address of the client, makes the link in the old mail useless."""
    client_id = await _invited(stage)
    await _invite(stage, client_id)
    [(_, first), (_, second)] = await _mails(stage, "portal_invitation")
    await stage.owner.execute(
        "update client set email = 'other@demo.example' where id = $1", client_id
    )
    async with visitor(stage, None) as http:
        assert await _set(http, _link(first), NEW) == 404
        assert await _set(http, _link(second), NEW) == 404
    assert await stage.owner.fetchval("select count(*) from membership where role = 'client'") == 0
    assert await stage.owner.fetchval("select count(*) from app_user where email = $1", CLIENT) == 0


@pytest.mark.parametrize(
    ("address", "says"),
    [(None, "No address is known"), ("Biller@Demo.example", "already logs in with this address")],
)
async def test_who_cannot_be_invited_is_said(stage: Stage, address: str | None, says: str) -> None:
    """Without an address, or with one that is a colleague's, nothing is sent."""
    client_id = await stage.owner.fetchval(
        "update client set email = $1 where external_id = 'c-1' returning id", address
    )
    assert says in await _invite(stage, client_id)
    assert await _mails(stage, "portal_invitation") == []


async def test_only_the_clients_own_practice_invites(stage: Stage) -> None:
    """Another practice's client is not there, and a biller may not invite at all."""
    theirs = await stage.owner.fetchval(
        "select id from client where practice_id = $1 limit 1", stage.mesa
    )
    await _invite(stage, theirs)
    ours = await stage.owner.fetchval("select id from client where external_id = 'c-1'")
    assert "does not include" in await _invite(stage, ours, "biller")
    assert await stage.owner.fetchval("select count(*) from access_token") == 0


@pytest.mark.browser
async def test_the_pages_are_accessible(browser: Browser, stage: Stage) -> None:
    """Forgotten, chosen, used up and the portal: no rule broken, and none wider than a phone."""
    await _invited(stage)
    [(_, mail)] = await _mails(stage, "portal_invitation")
    found: list[str] = []
    context = await browser.new_context(viewport={"width": 360, "height": 800})
    page = await context.new_page()

    async def look() -> None:
        nonlocal found
        found += await violations(page, _WCAG)
        await page.emulate_media(color_scheme="dark")
        found += await violations(page, _CONTRAST)
        await page.emulate_media(color_scheme="light")
        assert await overflow(page) <= 0

    await page.goto(f"{stage.url}/login")
    await page.get_by_role("link", name="Forgotten your password?").click()
    await look()
    await page.get_by_label("E-mail address").fill("nobody@demo.example")
    await page.get_by_role("button", name="Send me a link").click()
    await expect(page.get_by_role("status")).to_contain_text("is on its way")
    await look()
    await page.goto(f"{stage.url}{_link(mail)}")
    await look()
    await page.get_by_label("Contraseña nueva").fill(NEW)
    await page.get_by_label("La misma otra vez").fill(NEW + ".")
    await page.get_by_role("button", name="Guardar").click()
    await expect(page.get_by_role("alert")).to_contain_text("no son iguales")
    await look()
    await page.get_by_label("Contraseña nueva").fill(NEW)
    await page.get_by_label("La misma otra vez").fill(NEW)
    await page.get_by_role("button", name="Guardar").click()
    await look()
    await page.get_by_role("link", name="Iniciar sesión").click()
    await page.get_by_label("E-mail address").fill(CLIENT)
    await page.get_by_label("Password").fill(NEW)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sus citas")
    await look()
    await page.goto(f"{stage.url}{_link(mail)}")
    await look()
    await context.close()
    assert found == []
