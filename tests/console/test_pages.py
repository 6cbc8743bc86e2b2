"""The console in a real browser: what an on-call engineer and a front desk can do there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from mentalspace.engine.suppression import suppress
from tests.console.stage import CLIENT, PASSWORD, Stage, fail, walk, write_drill, write_game_day

pytestmark = [pytest.mark.browser, pytest.mark.database]

# Nobody reads what holds, and to describe it element by element takes axe a quarter of its time.
_WRONG_ALONE = {"resultTypes": ["violations"]}
_WCAG = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]},
    **_WRONG_ALONE,
}
_CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, **_WRONG_ALONE}


@asynccontextmanager
async def signed_in(
    browser: Browser,
    stage: Stage,
    who: str,
    *,
    width: int = 1280,
) -> AsyncIterator[Page]:
    """A page of somebody logged in; anything its console complains of fails the test."""
    context = await browser.new_context(viewport={"width": width, "height": 850})
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda told: complaints.append(told.text) if "Security Policy" in told.text else None,
    )
    await page.goto(f"{stage.url}/login")
    await page.get_by_label("E-mail address").fill(f"{who}@demo.example")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("button", name="Log out")).to_be_visible()
    yield page
    await context.close()
    assert complaints == []


async def violations(page: Page, options: dict[str, Any]) -> list[str]:
    found: Any = await Axe().run(page, options=options)
    return [
        f"{page.url}: {rule['id']} {node['target']} {node['failureSummary']}"
        for rule in found.response["violations"]
        for node in rule["nodes"]
    ]


# Of rows, list items and bars built alike the first stays: axe's time grows with every element, and
# a rule that one breaks, its likes break.
_ONE_OF_A_KIND = """
() => document.querySelectorAll('tbody, ul, ol, dl, svg').forEach(list => {
  const seen = new Set();
  for (const item of [...list.children]) {
    const form = [item, ...item.querySelectorAll('*')].map(each =>
      [each.tagName, each.getAttribute('class'), each.getAttribute('role'), each.hasAttribute('id'),
       each.hasAttribute('aria-label')].join()).join(' ');
    if (seen.has(form)) item.remove(); else seen.add(form);
  }
})
"""


async def overflow(page: Page) -> int:
    wide: int = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return wide


@pytest.mark.parametrize("width", [1280, 390])
async def test_the_on_call_engineer_takes_an_incident(
    browser: Browser, stage: Stage, width: int
) -> None:
    """From the fleet to an acknowledged incident, its facts and runbook read on the way."""
    async with signed_in(browser, stage, "oncall", width=width) as page:
        await expect(page.get_by_role("heading", name="1 incident not resolved")).to_be_visible()
        await page.get_by_role("link", name="A provider refuses a practice's credential").click()
        main = page.get_by_role("main")
        await expect(main.get_by_role("region", name="Ours or theirs")).to_contain_text("Ours")
        await expect(main.get_by_role("region", name="Ours or theirs")).to_contain_text(
            "403 invalid_api_key"
        )
        await expect(main.get_by_role("region", name="People affected")).to_contain_text("5 people")
        await expect(main.get_by_role("region", name="Next appointment")).to_contain_text("in 3 h")
        await expect(main.get_by_role("region", name="What the system did")).to_contain_text(
            "Paused the lane until the credential is changed"
        )
        await expect(main.get_by_role("region", name="Runbook")).to_contain_text(
            "What a person does"
        )
        beside = await page.locator(".columns > .column").evaluate_all(
            "columns => columns[0].getBoundingClientRect().top"
            " === columns[1].getBoundingClientRect().top"
        )
        assert beside is (width == 1280)
        assert await overflow(page) <= 0
        await main.get_by_role("button", name="Acknowledge").click()
        await expect(main.get_by_role("status").first).to_contain_text("Escalation has stopped")
        await expect(main).to_contain_text("Noor Haddad")
        await expect(main.get_by_role("button", name="Acknowledge")).to_have_count(0)
    row = await stage.owner.fetchrow("select status, acknowledged_by from incident")
    assert row is not None
    assert (row["status"], row["acknowledged_by"]) == ("acknowledged", "Noor Haddad")


async def _somebody_is_suppressed(stage: Stage) -> None:
    key = stage.services.vault.recipient_key(stage.lakeside, "client0@demo.example")
    for address in (key, "another"):
        await suppress(
            stage.owner, stage.lakeside, "email", address, reason="complained",
            client_id=stage.client, delivery_id=stage.delivered, case_id="email.complained",
        )  # fmt: skip
    await stage.owner.execute(
        "update suppression set lifted_at = app.now(), lifted_by = 'Sam Whitfield'"
        " where recipient_key = 'another'"
    )


@pytest.mark.parametrize("who", ["oncall", "frontdesk"])
async def test_every_page_is_accessible(browser: Browser, stage: Stage, who: str) -> None:
    """No page breaks a rule of WCAG 2.1 A or AA that axe can test, in light or dark."""
    await _somebody_is_suppressed(stage)
    await stage.owner.execute("update incident set case_id = 'email.rate_limited'")
    run = await stage.owner.fetchval("select id from drill_run limit 1")
    game_day = await write_game_day(stage, ended=True)
    row = await stage.owner.fetchval("select id from import_row")
    pages = {
        "oncall": [
            "/",
            "/hours",
            "/incidents",
            f"/incidents/{stage.incident}",
            "/messages",
            f"/messages/{stage.held}",
            f"/payloads/message/{stage.held}",
            "/dead-letters",
            "/audit",
            "/suppressed",
            "/errors",
            "/messages/figures",
            "/messages/figures/week",
            "/messages/figures/cost",
            "/doctor/email",
            "/runbook",
            "/runbook/email.unauthorized",
            "/runbook/issues/email.rate_limiting",
            "/drills",
            f"/drills/{run}",
            f"/drills/{game_day}-invalid_api_key",
            "/game-days",
            f"/game-days/{game_day}",
            "/sandbox",
            "/appointments",
            "/runbook/email.nowhere",
        ],
        "frontdesk": [
            "/morning",
            "/appointments",
            "/clients",
            f"/clients/{stage.client}",
            "/settings/reminders",
            "/tasks",
            "/tasks?state=done",
            "/imports",
            "/templates?kind=reminder&language=es",
            "/templates/texts",
            f"/imports/rows/{row}",
            f"/messages/{stage.held}",
            "/messages",
            "/suppressed",
            "/texts",
            f"/clients/{stage.client}/texts",
        ],
    }
    found: list[str] = []
    async with signed_in(browser, stage, who) as page:
        for path in pages[who]:
            await page.goto(stage.url + path)
            await page.evaluate(_ONE_OF_A_KIND)
            found += await violations(page, _WCAG)
            await page.emulate_media(color_scheme="dark")
            found += await violations(page, _CONTRAST)
            await page.emulate_media(color_scheme="light")
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{stage.url}/login")
    found += await violations(page, _WCAG)
    await context.close()
    assert found == []


async def test_no_page_scrolls_sideways_on_a_phone(browser: Browser, stage: Stage) -> None:
    """At 360 pixels every page fits, long codes and tables included."""
    await _somebody_is_suppressed(stage)
    await stage.owner.execute("update incident set case_id = 'email.rate_limited'")
    row = await stage.owner.fetchval("select id from import_row")
    game_day = await write_game_day(stage, ended=True)
    wide = []
    for who, paths in {
        "oncall": [
            "/",
            "/hours",
            "/incidents",
            f"/incidents/{stage.incident}",
            "/messages",
            f"/messages/{stage.held}",
            f"/payloads/message/{stage.held}",
            "/dead-letters",
            "/audit",
            "/suppressed",
            "/errors",
            "/messages/figures",
            "/messages/figures/week",
            "/messages/figures/cost",
            "/doctor/email",
            "/runbook",
            "/runbook/email.unauthorized",
            "/runbook/issues/email.rate_limiting",
            "/drills",
            f"/drills/{game_day}-invalid_api_key",
            "/game-days",
            f"/game-days/{game_day}",
            "/sandbox",
        ],
        "admin": [
            "/",
            "/appointments",
            "/clients",
            f"/clients/{stage.client}",
            "/settings/reminders",
            "/tasks",
            "/templates",
            "/templates/texts",
            "/suppressed",
            "/audit",
            f"/imports/rows/{row}",
        ],
    }.items():
        async with signed_in(browser, stage, who, width=360) as page:
            for path in paths:
                await page.goto(stage.url + path)
                if await overflow(page) > 0:
                    wide.append(path)
    assert wide == []


async def test_a_page_follows_what_happens(browser: Browser, stage: Stage) -> None:
    """What changes elsewhere appears by itself, is announced, and leaves the focus alone."""
    async with signed_in(browser, stage, "oncall") as page:
        await page.goto(f"{stage.url}/incidents/{stage.incident}")
        await page.get_by_role("button", name="Resolve").focus()
        await stage.owner.execute(
            "update incident set status = 'acknowledged', acknowledged_by = 'Cto',"
            " acknowledged_at = app.now(), next_escalation_at = null"
        )
        await expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0, timeout=8000)
        await expect(page.locator("#announce")).to_contain_text("acknowledged by Cto")
        await expect(page.get_by_role("button", name="Resolve")).to_be_focused()
        await stage.owner.execute(
            "update incident set status = 'resolved', resolved_by = 'Cto', resolved_at = app.now()"
        )
        menu = page.get_by_role("navigation", name="Main")
        await expect(menu.get_by_text("not resolved")).to_have_count(0, timeout=8000)


async def test_the_clock_of_an_incident_ticks(browser: Browser, stage: Stage) -> None:
    """Time left to acknowledge counts down every second by the server's clock."""
    await stage.owner.execute("update incident set ack_due_at = app.now() + interval '10 minutes'")
    async with signed_in(browser, stage, "oncall") as page:
        await page.goto(f"{stage.url}/incidents/{stage.incident}")
        clock = page.get_by_role("timer")
        await expect(clock).to_have_text(re.compile(r"in 09:5\d"))
        before = await clock.inner_text()
        await expect(clock).not_to_have_text(before)


async def test_a_message_tells_why_it_waits(browser: Browser, stage: Stage) -> None:
    """A waiting message says what happens next and links the case that decided it."""
    async with signed_in(browser, stage, "oncall") as page:
        await page.goto(f"{stage.url}/messages?status=held")
        await page.get_by_role("link", name="Booking confirmation").click()
        await expect(page.get_by_role("region", name="What happens next")).to_contain_text(
            "A person decides"
        )
        await (
            page.get_by_role("main")
            .get_by_role("link", name="email.validation_error")
            .first.click()
        )
        await expect(page.get_by_role("heading", name="Resend finds a mistake")).to_be_visible()


async def test_the_front_desk_corrects_a_row(browser: Browser, stage: Stage) -> None:
    """A bad row is edited, refused with what is still wrong, edited again, and lands."""
    async with signed_in(browser, stage, "frontdesk") as page:
        await page.goto(f"{stage.url}/imports")
        await page.get_by_role("link", name="Correct line 3").click()
        raw = page.get_by_label("The row as it stands in the file")
        await raw.fill((await raw.input_value()).replace("not-an-address", "bart@demo.example"))
        await page.get_by_role("button", name="Try again").click()
        await expect(page.get_by_role("alert")).to_contain_text("1 mistake")
        await raw.fill((await raw.input_value()).replace("soon", "50"))
        await page.get_by_role("button", name="Try again").click()
        await expect(page.get_by_role("status").first).to_contain_text("landed in the calendar")
        await page.goto(f"{stage.url}/appointments?day=2031-05-02")
        await expect(page.get_by_role("main")).to_contain_text("Bart Badrow")


async def test_the_front_desk_uploads_a_calendar(browser: Browser, stage: Stage) -> None:
    """A file given on the page lands, and its result says how many rows were new."""
    text = (
        "external_id,client_external_id,client_name,client_email,starts_at,duration_min\n"
        "up-1,c-200,Una Upload,una@demo.example,2031-06-03T09:00,50\n"
    )
    async with signed_in(browser, stage, "frontdesk") as page:
        await page.goto(f"{stage.url}/imports")
        file = {"name": "june.csv", "mimeType": "text/csv", "buffer": text.encode()}
        await page.get_by_label("Calendar file").set_input_files(file)  # type: ignore[arg-type]
        await page.get_by_role("button", name="Import").click()
        await expect(page.get_by_role("main")).to_contain_text("1 new")
    assert await stage.owner.fetchval("select count(*) from client where name = 'Una Upload'") == 1


async def test_the_day_shows_who_was_told(browser: Browser, stage: Stage) -> None:
    """Staff see each client with the state of every mail in words, and who was not reached."""
    zone = await stage.owner.fetchval("select timezone from practice where id = $1", stage.lakeside)
    async with signed_in(browser, stage, "clinician") as page:
        day = await stage.owner.fetchval(
            "select (a.starts_at at time zone $1)::date::text from appointment a"
            " join client k on k.id = a.client_id where k.name = $2",
            zone,
            CLIENT,
        )
        await page.goto(f"{stage.url}/appointments?day={day}")
        row = page.get_by_role("row").filter(has_text=CLIENT)
        await expect(row).to_contain_text("Delivered")
        await expect(row).to_contain_text("the recipient's server has it")


async def test_a_drill_is_started_from_its_row(browser: Browser, stage: Stage) -> None:
    """Run starts that drill in the name of who pressed it, and opens the run."""
    async with signed_in(browser, stage, "oncall") as page:
        await page.goto(f"{stage.url}/drills")
        await page.locator("summary").filter(has_text="The other").click()
        row = page.get_by_role("row").filter(has_text="email/server_error")
        await row.get_by_role("button", name="Run").click()
        await expect(page.get_by_role("heading", name="Server Error")).to_be_visible()
        await expect(page.locator(".marks")).to_contain_text("Running")
    assert stage.drills == [("email/server_error", "Noor Haddad")]


@pytest.mark.parametrize("width", [1280, 390])
async def test_drills_are_folded_and_found_by_how_they_ended(
    browser: Browser, stage: Stage, width: int
) -> None:
    """A room that has a failed drill stands open, the others say how many are how; a filter shows
    those alone that ended so."""
    await write_drill(stage.owner, "sms/invalid_token", True)
    async with signed_in(browser, stage, "oncall", width=width) as page:
        await page.goto(f"{stage.url}/drills")
        folded = {
            name: page.locator("details").filter(has=page.get_by_role("heading", name=name))
            for name in ("Email", "SMS", "The house itself")
        }
        await expect(folded["Email"]).to_have_attribute("open", "")
        await expect(folded["Email"].locator("summary").first).to_contain_text("1 passed, 1 failed")
        assert await folded["SMS"].get_attribute("open") is None
        await expect(folded["SMS"].locator("summary").first).to_contain_text("1 passed, 0 failed")
        await page.get_by_role("link", name="Failed: 1", exact=True).click()
        rows = page.get_by_role("table").get_by_role("row")
        await expect(rows.filter(has=page.get_by_role("rowheader"))).to_have_count(1)
        await expect(page.get_by_role("table")).to_contain_text("email/network_timeout")
        assert await violations(page, _WCAG) == []
        assert await overflow(page) <= 0


async def test_the_diagnosis_runs_beside_the_incident(browser: Browser, stage: Stage) -> None:
    """The issue's own SQL is answered as a table, and a query that fails says so alone."""
    await stage.owner.execute("update incident set case_id = 'email.rate_limited'")
    delivery = await stage.owner.fetchval(
        "select id from delivery where status = 'pending' and practice_id = $1", stage.lakeside
    )
    await fail(
        stage.owner, delivery, 429, "rate_limit_exceeded", "email.rate_limited", "retry", "ours"
    )
    await walk(stage.owner, delivery, "pending")
    async with signed_in(browser, stage, "oncall") as page:
        await page.goto(f"{stage.url}/incidents/{stage.incident}")
        table = page.get_by_role("table", name="429 answers of the last hour")
        await expect(table).to_contain_text("rate_limit_exceeded")
