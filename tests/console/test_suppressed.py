"""Whom nobody writes to: seen by the practice with names, by on-call in numbers, and lifted."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from mentalspace.engine.suppression import suppress
from tests.console.stage import CLIENT, Stage
from tests.console.test_doors import NAMES, visitor
from tests.console.test_pages import signed_in

pytestmark = [pytest.mark.browser, pytest.mark.database]


async def suppressed(
    stage: Stage, reason: str, address: str = "client0@demo.example", *, named: bool = True
) -> None:
    """The client's address came back, as the runbook's step would have it."""
    await suppress(
        stage.owner,
        stage.lakeside,
        "email",
        stage.services.vault.recipient_key(stage.lakeside, address),
        reason=reason,
        client_id=stage.client if named else None,
        delivery_id=stage.delivered if named else None,
        case_id=f"email.{reason}" if named else None,
    )


@pytest.mark.parametrize("width", [1280, 390])
async def test_the_front_desk_lifts_one(browser: Browser, stage: Stage, width: int) -> None:
    """What lifting means is read first; then the address is written to again, who did it is
    kept, and a second press on a page that was open finds nothing to do."""
    await suppressed(stage, "bounced")
    async with signed_in(browser, stage, "frontdesk", width=width) as page:
        await page.get_by_role("link", name="Suppressed").click()
        main = page.get_by_role("main")
        await expect(main).to_contain_text("client0@demo.example")
        await expect(main).to_contain_text("The address does not exist any more")
        other = await page.context.new_page()
        await other.goto(f"{stage.url}/suppressed")
        for press, says in ((page, "written to again"), (other, "lifted already")):
            await press.get_by_text("Lift the suppression").click()
            await expect(press.get_by_text("it stands here anew")).to_be_visible()
            await press.get_by_role("button", name="Write to them again").click()
            await expect(press.get_by_role("status").first).to_contain_text(says)
        await expect(page.get_by_role("region", name="Lifted")).to_contain_text(CLIENT)
        await page.goto(f"{stage.url}/messages/{stage.delivered}")
        story = page.get_by_role("list", name="Timeline")
        await expect(story).to_contain_text("Nobody writes to this address any more")
        await expect(story).to_contain_text("let this address be written to again")
    by, actor = await stage.owner.fetchrow(
        "select lifted_by, (select actor from audit where action = 'suppression_lifted')"
        " from suppression"
    )
    assert by == "Sam Whitfield"
    assert actor == str(
        await stage.owner.fetchval("select id from app_user where name = 'Sam Whitfield'")
    )


async def test_a_complaint_is_the_clients_to_take_back(stage: Stage) -> None:
    """Without the word that the client asked, nothing is lifted; nor by on-call, nor elsewhere."""
    await suppressed(stage, "complained")
    path = f"/suppressed/{await stage.owner.fetchval('select id from suppression')}/lift"
    for who, asked, http_status in (
        ("oncall", "1", 403),
        ("biller", "1", 403),
        ("frontdesk", "", 403),
        ("frontdesk", "1", 200),
    ):
        async with visitor(stage, who) as http:
            async with http.get("/messages") as page:
                csrf = (await page.text()).split('name="csrf" value="')[1].split('"')[0]
            async with http.post(path, data={"csrf": csrf, "asked": asked}) as answer:
                assert (who, asked, answer.status) == (who, asked, http_status)
        lifted = await stage.owner.fetchval("select lifted_at is not null from suppression")
        assert lifted is (http_status == 200)


async def test_it_says_whose_address_it_is(stage: Stage) -> None:
    """An earlier address is told apart from today's, an id-less one is found by its address; the
    client's page, the list and their day say that no mail goes there, and reading is audited."""
    await suppressed(stage, "bounced", "earlier@demo.example")
    await suppressed(stage, "provider's list", "client1@demo.example", named=False)
    await suppressed(stage, "provider's list", "stranger@demo.example", named=False)
    day = await stage.owner.fetchval(
        "select (a.starts_at at time zone p.timezone)::date::text from appointment a"
        " join practice p on p.id = a.practice_id where a.client_id = $1",
        stage.client,
    )
    async with visitor(stage, "frontdesk") as http:
        async with http.get("/suppressed") as page:
            text = await page.text()
        assert f'an earlier address of <a href="/clients/{stage.client}">' in text
        assert "Client Number1" in text and "nobody of today" in text
        told = "Not written to since"
        async with http.get(f"/clients/{stage.client}") as page:
            assert told not in await page.text()
        await suppressed(stage, "complained")
        async with http.get(f"/clients/{stage.client}") as page:
            assert told in await page.text()
        async with http.get("/clients") as page:
            assert (await page.text()).count(told) == 2
        async with http.get(f"/appointments?day={day}") as page:
            assert "No mail: complained" in await page.text()
    assert await stage.owner.fetchval(
        "select count(*) from audit where action = 'suppressions.read'"
    )


async def test_on_call_sees_how_many_and_why(stage: Stage) -> None:
    """No name, no address; a biller has no business there, another practice's are not there."""
    await suppressed(stage, "complained")
    async with visitor(stage, "oncall") as http, http.get("/suppressed") as page:
        text = await page.text()
        assert "they marked our mail as spam" in text.lower()
        assert [name for name in NAMES if name in text] == []
    async with visitor(stage, "biller") as http, http.get("/suppressed") as page:
        assert page.status == 403
