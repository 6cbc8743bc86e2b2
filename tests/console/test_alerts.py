"""The alert rules' pages, as on-call and an administrator use them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.async_api import Browser, expect

from mentalspace.engine.alert_silence import NewSilence, add_silence
from mentalspace.engine.alerts import Evaluator
from mentalspace.engine.house_alert import hold
from tests.console.stage import Stage, write_drill
from tests.console.test_doors import visitor
from tests.console.test_pages import _WCAG, overflow, signed_in, violations

pytestmark = [pytest.mark.browser, pytest.mark.database]


async def _evaluate(stage: Stage) -> None:
    await Evaluator(stage.services.database, stage.services.runbooks).tick()


async def _prove(stage: Stage, rule_id: str) -> None:
    run = await write_drill(stage.owner, "email/five_failures_in_a_row", True)
    await stage.owner.execute("update drill_run set proved = $2 where id = $1", run, [rule_id])


@pytest.mark.parametrize("width", [1280, 390])
async def test_on_call_sees_every_rule_and_silences_one(
    browser: Browser, stage: Stage, width: int
) -> None:
    """A rule says where it stands, what it saw beside its line and when it was last proven; a
    silence needs a reason, shows who and until when, and can be lifted."""
    await _evaluate(stage)
    await _prove(stage, "email.consecutive_failures")
    async with signed_in(browser, stage, "oncall", width=width) as page:
        await page.get_by_role("link", name="Alerts", exact=True).click()
        await page.locator("summary").filter(has_text="Email").click()
        row = page.get_by_role("row", name="Five mails in a row failed")
        await expect(row).to_contain_text("5 in a row, to as many people")
        await expect(row.get_by_role("link", name="Evidence")).to_be_visible()
        other = page.get_by_role("row", name="Bounce rate over 5%")
        await expect(other).to_contain_text("Never here")
        await expect(other).to_contain_text("No data")
        assert await violations(page, _WCAG) == []
        assert await overflow(page) <= 0
        await row.get_by_role("link", name="Silence").click()
        await page.get_by_label("For how long").select_option("4")
        await page.get_by_label("Why").fill("   ")
        await page.get_by_role("button", name="Silence").click()
        await expect(page.get_by_role("alert")).to_contain_text("Say why")
        assert await violations(page, _WCAG) == []
        await page.get_by_label("Why").fill("Resend moves house")
        await page.get_by_role("button", name="Silence").click()
        shown = page.get_by_role("region", name="1 silence")
        await expect(shown).to_contain_text("Resend moves house")
        await expect(row).to_contain_text("Silenced")
        assert await overflow(page) <= 0
        await shown.get_by_role("button", name="Lift").click()
        await expect(page.get_by_role("status").first).to_contain_text("lifted")
        await expect(page.get_by_role("region", name="Past silences")).to_contain_text("lifted")
    made = await stage.owner.fetchrow("select * from alert_silence")
    assert made is not None
    assert made["until_at"] - made["created_at"] == timedelta(hours=4)
    assert made["created_by"] == "Noor Haddad"


async def test_from_an_incident_to_its_rule_and_its_silence(browser: Browser, stage: Stage) -> None:
    """The rule's page shows each credential with the day's states, drawn and in words; the
    incident's button silences it there alone."""
    await _evaluate(stage)
    await stage.owner.execute("update alert_change set at = at - interval '6 hours'")
    await stage.owner.execute(
        "insert into alert_change (credential_id, practice_id, integration, rule_id, state)"
        " select credential_id, practice_id, integration, rule_id, 'error' from alert_state"
        "  where rule_id = 'email.credential_refused' and practice_id = $1",
        stage.mesa,
    )
    async with signed_in(browser, stage, "oncall", width=390) as page:
        await page.goto(f"{stage.url}/incidents/{stage.incident}")
        await page.get_by_role("link", name="watched all the same").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(
            "A provider refuses a practice's credential"
        )
        row = page.get_by_role("row", name="Mesa")
        await expect(row.get_by_role("link", name="Incident")).to_be_visible()
        await expect(row.get_by_role("img").first).to_have_attribute(
            "aria-label", re.compile("360 min")
        )
        await expect(page.get_by_role("region", name="Changes")).to_contain_text("Error")
        assert await violations(page, _WCAG) == []
        assert await overflow(page) <= 0
        await page.goto(f"{stage.url}/incidents/{stage.incident}")
        await page.get_by_role("link", name="Silence this rule").click()
        await page.get_by_label("Why").fill("The key is changed at noon")
        await page.get_by_role("button", name="Silence").click()
        await expect(page.get_by_role("region", name="1 silence")).to_contain_text("Mesa")
        await page.goto(f"{stage.url}/incidents/{stage.incident}")
        clock = page.get_by_role("region", name="Acknowledge")
        await expect(clock).to_contain_text("nobody is paged further before then")
    made = await stage.owner.fetchrow("select rule_id, practice_id from alert_silence")
    assert made is not None
    assert tuple(made) == ("email.credential_refused", stage.mesa)


async def test_an_administrator_sees_their_own_and_silences_nothing(stage: Stage) -> None:
    """No other practice's credential or silence is on their board; what on-call silences for
    everybody is; the button is not theirs."""
    await _evaluate(stage)
    async with stage.services.database.as_oncall() as connection:
        for rule, practice, why in (
            ("email.queue_stands", None, "the house moves"),
            ("email.queue_stands", stage.mesa, "their own trouble"),
        ):
            new = NewSilence(rule, None, practice, why, timedelta(hours=1))
            await add_silence(connection, stage.services.runbooks, new, "Noor Haddad")
    async with visitor(stage, "admin") as http:
        for path in ("/alerts", "/alerts/rules/email.queue_stands"):
            async with http.get(path) as answer:
                text = await answer.text()
                assert answer.status == 200
            assert "Lakeside" in text
            assert "Mesa" not in text
            assert "/alerts/silence?" not in text
            assert "ilenced until" in text
            assert "their own trouble" not in text
        for path, status in (("/alerts/silence", 403), ("/alerts/rules/email.nothing", 404)):
            async with http.get(path) as answer:
                assert answer.status == status


@pytest.mark.parametrize("width", [1280, 390])
async def test_the_house_has_its_rules_on_the_board(
    browser: Browser, stage: Stage, width: int
) -> None:
    """With what each watches, whether it fires and what proves it; and what nobody evaluates yet
    is said to be so."""
    async with stage.services.database.as_dispatcher() as connection:
        found = {"host": "The worker on host has ended 3 times"}
        await hold(connection, stage.services.runbooks.escalation, "house.restarts", found)
    run = await write_drill(stage.owner, "house/worker_restarts", True)
    await stage.owner.execute("update drill_run set proved = '{house.restarts}' where id = $1", run)
    async with signed_in(browser, stage, "oncall", width=width) as page:
        await page.goto(f"{stage.url}/alerts")
        row = page.get_by_role("row", name="The worker starts again and again")
        await expect(row).to_contain_text("Firing")
        await expect(row.get_by_role("link", name="has ended 3 times")).to_be_visible()
        await expect(row.get_by_role("link", name="Evidence")).to_be_visible()
        tested = page.get_by_role("row", name="hardly a connection left")
        await expect(tested).to_contain_text("By a test, no drill")
        await expect(page.get_by_role("region", name="nobody is told of these")).to_contain_text(
            "Five failed sessions in ten minutes"
        )
        assert await violations(page, _WCAG) == []
        assert await overflow(page) <= 0
        await row.get_by_role("link", name="The worker starts again and again", exact=True).click()
        await expect(page.get_by_role("region", name="Now", exact=True)).to_contain_text("ended 3")
        await expect(page.get_by_role("main")).to_contain_text("house.restarts")
        assert await violations(page, _WCAG) == []
        assert await overflow(page) <= 0


async def test_the_house_is_no_practices(stage: Stage) -> None:
    """An administrator of a practice sees neither its rules nor their pages."""
    async with visitor(stage, "admin") as http:
        async with http.get("/alerts") as answer:
            assert "house.restarts" not in await answer.text()
        async with http.get("/alerts/rules/house.restarts") as answer:
            assert answer.status == 404
