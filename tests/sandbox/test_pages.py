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
    for path in ("/", "/email", f"/email/messages/{item}", "/pager", "/_control"):
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
