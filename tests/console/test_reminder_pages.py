"""Reminders as the practice sees them: its rules, a client's page, the day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Browser, expect

from mentalspace.practice.channels import ChannelChoice
from mentalspace.practice.reminder_policy import save_policy
from mentalspace.workflows.client_answer import confirm
from mentalspace.workflows.client_channels import choose_channels
from mentalspace.workflows.demo import system_claims
from mentalspace.workflows.reminder_rules import rewrite_reminders
from tests.console.stage import Stage, _booked, walk
from tests.console.test_client_link import address
from tests.console.test_pages import _WCAG, overflow, signed_in, violations

pytestmark = [pytest.mark.browser, pytest.mark.database]


async def test_an_administrator_sets_the_rules(browser: Browser, stage: Stage) -> None:
    """Wrong times are explained and kept in the form; saved, the page counts who follows."""
    starts_at = datetime.now(UTC) + timedelta(days=10)
    await _booked(stage, stage.lakeside, "Rhea Rules", starts_at, 70)
    async with signed_in(browser, stage, "admin") as page:
        await page.get_by_role("link", name="Reminders").click()
        main = page.get_by_role("main")
        first, second = (
            page.get_by_label(f"Reminder {n}: how long before", exact=True) for n in (1, 2)
        )
        await expect(first).to_have_value("1")
        await second.fill("5")
        await page.get_by_label("Reminder 2: unit").select_option("minutes")
        await page.get_by_role("button", name="Save").click()
        await expect(main.get_by_role("alert")).to_contain_text("between 15 minutes and 30 days")
        await expect(second).to_have_value("5")
        await page.get_by_label("Reminder 2: unit").select_option("hours")
        await page.get_by_label("Closed").fill("48")
        await page.get_by_label("Text the clients who chose it").uncheck()
        await page.get_by_role("button", name="Save").click()
        await expect(main.get_by_role("status").first).to_contain_text("Saved")
        await expect(main).to_contain_text("still have reminders by the earlier rules")
        await rewrite_reminders(stage.services)
        await expect(main).to_contain_text("follow these rules", timeout=8000)
    row = await stage.owner.fetchrow(
        "select leads_min, cancel_before_h, texts from reminder_policy"
    )
    assert row is not None and tuple(row) == ([1440, 300], 48, False)
    leads = await stage.owner.fetch(
        "select n.lead_min from appointment_notifications n join appointment a"
        " on a.id = n.appointment_id where a.external_id = 'a-70' and n.status = 'pending'"
        " and n.notification_type = 'reminder' order by 1"
    )
    assert [each["lead_min"] for each in leads] == [300, 1440]


async def test_the_front_desk_sees_the_rules_and_changes_none(
    browser: Browser, stage: Stage
) -> None:
    """The fields are shown closed, without a button; a biller has no such page."""
    async with signed_in(browser, stage, "frontdesk") as page:
        await page.goto(f"{stage.url}/settings/reminders")
        await expect(page.get_by_role("button", name="Save")).to_have_count(0)
        await expect(page.get_by_label("Closed")).to_be_disabled()
    async with signed_in(browser, stage, "biller") as page:
        await page.goto(f"{stage.url}/settings/reminders")
        await expect(page.get_by_role("main")).to_contain_text("does not include this page")


async def test_a_clients_page_tells_and_lets_choose(browser: Browser, stage: Stage) -> None:
    """From the day to the client: how they are reached, what waits and when; own times replace
    the practice's, and the reading is audited by the client's id."""
    starts_at = datetime.now(UTC) + timedelta(days=10)
    await _booked(stage, stage.lakeside, "Paz Pageperson", starts_at, 72)
    client = await stage.owner.fetchval("select id from client where external_id = 'c-72'")
    async with signed_in(browser, stage, "frontdesk") as page:
        await page.goto(f"{stage.url}/clients")
        await page.get_by_role("link", name="Paz Pageperson").click()
        assert page.url == f"{stage.url}/clients/{client}"
        main = page.get_by_role("main")
        await expect(main.get_by_role("region", name="How they are reached")).to_contain_text(
            "English"
        )
        coming = main.get_by_role("region", name="Coming appointments")
        await expect(coming).to_contain_text("Reminder, 1 day before due")
        await page.get_by_text("Change", exact=True).click()
        await page.get_by_label("Their own:").check()
        await page.get_by_label("Reminder 1: how long before").fill("3")
        await page.get_by_role("button", name="Save").click()
        await expect(main.get_by_role("status").first).to_contain_text("Saved")
        await expect(coming).to_contain_text("Reminder, 3 hours before due")
        await expect(main).to_contain_text("Reminded 3 hours before.")
    audited = await stage.owner.fetch(
        "select action from audit where subject = $1 order by id", str(client)
    )
    assert [row["action"] for row in audited] == [
        "client.read",
        "client.reminders_changed",
        "client.read",
    ]


@pytest.mark.parametrize("width", [1280, 360])
async def test_the_front_desk_writes_down_that_a_client_wants_texts(
    browser: Browser, stage: Stage, width: int
) -> None:
    """Not before somebody agreed; then the page tells who and how. A number that takes no texts
    is told beside it."""
    starts_at = datetime.now(UTC) + timedelta(days=10)
    await _booked(stage, stage.lakeside, "Tess Texted", starts_at, 74)
    client = await stage.owner.fetchval(
        "update client set phone = '312 555 0142', phone_e164 = '+13125550142',"
        " phone_kind = 'landline', phone_problem = 'landline', phone_checked_at = now()"
        " where external_id = 'c-74' returning id"
    )
    async with signed_in(browser, stage, "frontdesk", width=width) as page:
        await page.goto(f"{stage.url}/clients/{client}")
        main = page.get_by_role("main")
        await expect(main).to_contain_text("landline: it takes calls, and no texts")
        await expect(main).not_to_contain_text("by e-mail instead")
        card = main.get_by_role("region", name="By e-mail or text")
        await card.get_by_text("Change").click()
        await card.get_by_label("Reminders by").select_option("text")
        await card.get_by_role("button", name="Save").click()
        await expect(card.get_by_role("alert")).to_contain_text("write down first who agreed")
        await expect(card.get_by_label("Reminders by")).to_have_value("text")
        assert await violations(page, _WCAG) == []
        assert await overflow(page) <= 0
        await card.get_by_label("Who agreed to texts").fill("Tess, here, in writing")
        await card.get_by_role("button", name="Save").click()
        await expect(main.get_by_role("status").first).to_contain_text("Saved")
        await expect(card).to_contain_text("Reminders go by text")
        await expect(main).to_contain_text("Tess, here, in writing")
        await expect(main).to_contain_text("What would be a text goes by e-mail")
        await stage.owner.execute("update client set text_falls_back = false where id = $1", client)
        await page.reload()
        await expect(main).to_contain_text("Nothing goes by e-mail instead")
        await expect(main).not_to_contain_text("What would be a text goes by e-mail")
        reach = main.get_by_role("region", name="How they are reached")
        await reach.get_by_text("Put the address or number right").click()
        await reach.get_by_label("Telephone").fill("+1 312 555 01")
        await reach.get_by_role("button", name="Save").click()
        await expect(main.get_by_role("alert")).to_contain_text("give it with its area code")
        await expect(reach.get_by_label("Telephone")).to_have_value("+1 312 555 01")
        assert await violations(page, _WCAG) == []
        assert await overflow(page) <= 0
        await reach.get_by_label("Telephone").fill("312.555.0143")
        await reach.get_by_role("button", name="Save").click()
        await expect(main.get_by_role("status").first).to_contain_text("Saved")
        await expect(reach).to_contain_text("312.555.0143 mobile or landline")
        await expect(main).not_to_contain_text("landline: it takes calls")


async def test_what_went_by_text_stands_beside_the_mails(browser: Browser, stage: Stage) -> None:
    """On the day, the client's page, the list and the message's page: the channel in a word, and
    what the carrier has is not called delivered."""
    starts_at = datetime.now(UTC) + timedelta(days=10)
    await _booked(stage, stage.lakeside, "Tom Texted", starts_at, 76)
    client = await stage.owner.fetchval(
        "update client set phone = '312 555 0143', phone_e164 = '+13125550143',"
        " phone_kind = 'either', phone_checked_at = now() where external_id = 'c-76' returning id"
    )
    await choose_channels(
        stage.services,
        system_claims(stage.lakeside),
        client,
        ChannelChoice("both", "email", falls_back=True),
        agreed="Tom, at the desk",
        name="Sam",
    )
    text = await stage.owner.fetchval(
        "select delivery_id from notification_logs where recipient_id = $1", client
    )
    await walk(stage.owner, text, "due", "sending", "accepted")
    day = await stage.owner.fetchval(
        "select (a.starts_at at time zone p.timezone)::date::text from appointment a"
        " join practice p on p.id = a.practice_id where a.external_id = 'a-76'"
    )
    async with signed_in(browser, stage, "frontdesk") as page:
        main = page.get_by_role("main")
        for path in (f"/clients/{client}", f"/appointments?day={day}", "/messages?integration=sms"):
            await page.goto(stage.url + path)
            row = main.get_by_role("row").filter(has_text="With the carrier")
            await expect(row).to_contain_text("Text Reminder")
            await expect(row).not_to_contain_text("Delivered")
            if "sms" not in path:
                await expect(row).to_contain_text("E-mail Reminder")
        await page.goto(f"{stage.url}/messages/{text}")
        await expect(main).to_contain_text("nobody says yet that it arrived")
        await expect(main.get_by_role("heading", level=1)).to_have_text("Reminder")


async def test_the_day_shows_answers_and_reminders(browser: Browser, stage: Stage) -> None:
    """Who confirmed, and which reminder waits until when; what was replaced is left out."""
    claims = system_claims(stage.lakeside)
    async with stage.services.database.as_user(claims) as connection:
        await save_policy(connection, stage.lakeside, (120,), 24)
    starts_at = datetime.now(UTC) + timedelta(days=10)
    [first, *_] = await _booked(stage, stage.lakeside, "Cora Confirmed", starts_at, 71)
    await confirm(stage.services, (await address(stage, first)).rpartition("/")[2])
    async with stage.services.database.as_user(claims) as connection:
        await save_policy(connection, stage.lakeside, (180,), 24)
    await rewrite_reminders(stage.services)
    zone = await stage.owner.fetchval("select timezone from practice where id = $1", stage.lakeside)
    day = await stage.owner.fetchval("select ($1::timestamptz at time zone $2)::date::text",
                                     starts_at, zone)  # fmt: skip
    async with signed_in(browser, stage, "frontdesk") as page:
        await page.goto(f"{stage.url}/appointments?day={day}")
        row = page.get_by_role("row").filter(has_text="Cora Confirmed")
        await expect(row).to_contain_text("Client confirmed")
        await expect(row).to_contain_text("Reminder, 3 hours before due")
        await expect(row).not_to_contain_text("2 hours before")
