"""The pages: what a person sees and presses, and what other web sites cannot."""

from __future__ import annotations

import re

import pytest

from mentalspace.sandbox.guard import HEADERS
from tests.sandbox.conftest import Client


async def test_every_page_is_strict(client: Client) -> None:
    """All pages answer with the policy, and none has inline script, inline style, or a CDN."""
    await client.send()
    item = client.sandbox.world.kit.outbox.items()[0].id
    for path in ("/", "/email", "/email/mailbox", f"/email/messages/{item}", "/pager", "/_control"):
        status, text, headers = await client.page(path)
        assert status == 200
        assert headers["content-security-policy"] == HEADERS["content-security-policy"]
        assert not re.search(r"<script(?![^>]*src=\"/)|style=|<style|https?://(?!127)", text), path
        assert text.count("<h1>") == 1


async def test_the_mailbox_shows_the_mail_behind_glass(client: Client) -> None:
    """A mail is listed, shown as text, and rendered only in a frame that can run nothing."""
    await client.send("Your <appointment>")
    item = client.sandbox.world.kit.outbox.items()[0].id
    _status, room, _headers = await client.page("/email")
    assert "Your &lt;appointment&gt;" in room
    _status, message, _headers = await client.page(f"/email/messages/{item}")
    assert "Hello you" in message
    assert "<iframe sandbox src=" in message
    assert "alert(1)" not in message
    _status, html, headers = await client.page(f"/email/messages/{item}/html")
    assert "Hello <b>you</b>" in html
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")


async def test_the_mailbox_finds_by_recipient_account_and_state(client: Client) -> None:
    """Each filter leaves only what fits, and a long list is turned page by page."""
    kit = client.sandbox.world.kit
    kit.options.put("email", "resend", {"rate_per_s": 1000, "fates": {"bad*": "bounced"}})
    other = kit.accounts.put("email", "resend", "re_other")
    for number in range(27):
        await client.send(f"Mail {number}.", to=f"c{number}@demo.example")
    await client.send("Bounced.", to="bad@demo.example")
    await client.send("Later.", scheduled_at="in 1 hour")
    await client.send("Other.", api_key="re_other")
    kit.clock.move(60)

    async def subjects(query: str = "") -> list[str]:
        status, text, _headers = await client.page(f"/email/mailbox{query}")
        assert status == 200
        return re.findall(r">([^<>]+\.)</a>", text)

    assert len(await subjects()) == 25
    assert await subjects("?page=2") == [f"Mail {n}." for n in (4, 3, 2, 1, 0)]
    assert await subjects("?to=C26@demo") == ["Mail 26."]
    assert await subjects("?state=trouble") == ["Bounced."]
    assert await subjects("?state=waiting") == ["Later."]
    assert await subjects(f"?account={other.id}") == ["Other."]
    assert await subjects("?to=nobody&page=zero&state=odd") == []


async def test_a_mails_page_tells_what_became_of_it_and_gives_its_files(client: Client) -> None:
    """Its events stand there with their reasons and webhooks, and a file is saved, never shown."""
    kit = client.sandbox.world.kit
    kit.options.put("email", "resend", {"fates": {"client": "bounced"}})
    (account,) = (a for a in kit.accounts.all() if a.provider == "resend")
    kit.accounts.change(account, webhook_url="http://127.0.0.1:9/hook")
    kit.faults.add(room="email", provider="resend", kind="hook_drop", event="email.bounced")
    page = {"filename": "page.html", "content": "PHNjcmlwdD4=", "content_type": "text/html"}
    await client.send(attachments=[page])
    (item,) = kit.outbox.items()
    _status, text, _headers = await client.page(f"/email/messages/{item.id}")
    assert "bounced</span> (ahead)" in text
    assert "Permanent, General: " in text
    assert "lost on purpose" in text
    file = item.content["attachments"][0]["id"]
    url = f"/email/messages/{item.id}/attachments/{file}"
    assert url in text
    status, body, headers = await client.page(url)
    assert (status, body) == (200, "<script>")
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"] == "attachment; filename*=UTF-8''page.html"
    assert (await client.page(f"/email/messages/{item.id}/attachments/none"))[0] == 404


async def test_the_break_button_breaks_and_heals(client: Client) -> None:
    """Pressing "break it" makes sends fail and says so; "heal" ends it."""
    url = client.sandbox.url
    form = {"provider": "resend", "preset": "down"}
    async with client.http.post(f"{url}/email/break", data=form) as answer:
        assert (answer.status, answer.url.path) == (200, "/email")
        assert 'class="state bad">Broken' in await answer.text()
    assert (await client.send())[0] == 503
    async with client.http.post(f"{url}/email/heal") as answer:
        assert "No fault is in force" in await answer.text()
    assert (await client.send())[0] == 200


async def test_the_clock_form_adds_hours(client: Client) -> None:
    """The form moves the clock on from where it is, and refuses what is no number."""
    for hours in ("24", "-1.5"):
        async with client.http.post(f"{client.sandbox.url}/clock", data={"hours": hours}):
            pass
    assert (await client.control("GET", "/clock"))["offset_s"] == 22.5 * 3600
    for hours in ("soon", "nan", "1e300"):
        async with client.http.post(f"{client.sandbox.url}/clock", data={"hours": hours}) as answer:
            assert answer.status == 422


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"origin": "https://elsewhere.example"},
        {"host": "elsewhere.example"},
    ],
)
async def test_other_web_sites_change_nothing(client: Client, headers: dict[str, str]) -> None:
    """A post from another site, or by a foreign host name, is refused and breaks nothing."""
    for path in ("/email/break", "/_control/break/email/resend"):
        async with client.http.post(client.sandbox.url + path, headers=headers) as answer:
            assert answer.status == 403
    assert client.sandbox.world.kit.faults.all() == []


async def test_unknown_rooms_and_messages_are_not_found(client: Client) -> None:
    """What is not there is a 404."""
    for path in ("/nothing", "/email/messages/none", "/email/messages/none/html"):
        assert (await client.page(path))[0] == 404
