"""The error explorer: what goes wrong, how often and to how many, and its messages."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from playwright.async_api import Browser, expect

from mentalspace.console.chart import draw_trend
from mentalspace.console.error import Row, cure
from mentalspace.console.queries.error import Seen, came
from mentalspace.engine.ledger import record
from mentalspace.engine.rollup import Folder
from mentalspace.engine.runbook import load_runbooks
from mentalspace.integrations import discover_rooms
from tests.console.stage import CLIENT, Stage
from tests.console.test_doors import NAMES, visitor
from tests.console.test_pages import signed_in

pytestmark = [pytest.mark.browser, pytest.mark.database]


TODAY = date(2026, 11, 28)


def _ago(*days: int) -> list[date]:
    return [TODAY - timedelta(days=each) for each in days]


def test_what_is_new_and_what_is_back() -> None:
    """First seen this week is new; seen this week after more than two quiet weeks is back."""
    assert came(_ago(6, 0), TODAY) == (True, None)
    assert came(_ago(7, 0), TODAY) == (False, None)
    assert came(_ago(40, 39, 3, 0), TODAY) == (False, 36)
    assert came(_ago(40, 20), TODAY) == (False, None), "it has not come again lately"


@pytest.mark.parametrize(
    ("met", "of", "share"),
    [
        (19, 19, None),
        (20, 20, "100%"),
        (1, 20, "5.0%"),
        (5000, 50_000, "10%"),
        (1, 50_000, "under 0.1%"),
    ],
)
def test_a_share_is_told_in_plain_digits(met: int, of: int, share: str | None) -> None:
    """Of an outage, of a few, and of next to none; of too few there is none."""
    now = datetime(2026, 11, 28, tzinfo=UTC)
    seen = Seen(
        case_id="email.server_error",
        integration="email",
        providers=("resend",),
        practices=("Lakeside",),
        number=met,
        people=met,
        people_left=0,
        next_at=None,
        later={},
        messages=met,
        first_at=now,
        last_at=now,
        days=(),
        new=True,
        quiet=None,
    )
    assert Row(seen, None, draw_trend([(TODAY, met)], "bad"), "", of).share == share


def test_every_case_has_a_cure() -> None:
    """One line of what a person does first, out of each case's own page."""
    cases = load_runbooks(list(discover_rooms().values()), None).cases
    cures = {case.id: cure(case) for case in cases}
    assert [case_id for case_id, line in cures.items() if len(line) < 10 or "\n" in line] == []
    assert cures["email.unavailable"] == "Look at Resend's status page."


async def _complained(stage: Stage, *, times: int, drill: str | None = None) -> None:
    for _ in range(times):
        await record(
            stage.owner,
            "provider_event",
            practice_id=stage.lakeside,
            delivery_id=stage.delivered,
            data={"event": "email.complained", "case": "email.complained"},
            drill=drill,
        )


async def test_errors_are_counted_by_case(browser: Browser, stage: Stage) -> None:
    """A case tells its tries and its people apart, what was done, and leads to its messages; an
    event that is no trouble is none."""
    await _complained(stage, times=3)
    async with signed_in(browser, stage, "oncall") as page:
        await page.get_by_role("link", name="Errors").click()
        rows = page.get_by_role("main").get_by_role("row")
        await expect(rows).to_have_count(4)
        row = rows.filter(has_text="email.unauthorized")
        await expect(row.get_by_role("cell").nth(0)).to_have_text("2")
        await expect(row.get_by_role("cell").nth(1)).to_have_text("Mesa Family Practice")
        await expect(row.get_by_role("cell").nth(2)).to_contain_text("2 not reached; the next")
        await expect(row).to_contain_text("New")
        await expect(row).to_contain_text("Open Resend's dashboard, API keys: does the key exist")
        await row.get_by_text("What the system did").click()
        await expect(row).to_contain_text("The lane pauses until the cause is gone")
        await expect(row.get_by_role("img", name="2 in 14 days, most on")).to_be_visible()
        complaint = rows.filter(has_text="email.complained")
        await expect(complaint.get_by_role("cell").nth(0)).to_have_text("1met 3 times")
        await expect(complaint.get_by_role("cell").nth(2)).to_have_text("1")
        await expect(complaint).to_contain_text("the address is written to no more")
        await page.get_by_label("Provider").select_option("smtp")
        await page.get_by_role("button", name="Show").click()
        await expect(page.get_by_text("No error fits.")).to_be_visible()
        await page.get_by_label("Provider").select_option("resend")
        await page.get_by_label("Whose").select_option("ours")
        await page.get_by_role("button", name="Show").click()
        await expect(rows.filter(has_text="email.complained")).to_have_count(0)
        await rows.filter(has_text="email.unauthorized").get_by_role("link", name="Its").click()
        await expect(page.get_by_role("heading", name="Messages")).to_be_visible()
        await expect(page.get_by_role("main").get_by_role("row")).to_have_count(3)


async def test_each_sees_their_own_and_nobody_is_named(stage: Stage) -> None:
    """Staff find no other practice's errors; on-call finds all of them, and no name."""
    async with visitor(stage, "frontdesk") as http, http.get("/errors") as page:
        text = await page.text()
        assert "email.validation_error" in text
        assert "/runbook/email.unauthorized" not in text
        assert re.findall(r"Last <code>(\d+)", text) == ["400"], "theirs is not told of"
    async with visitor(stage, "oncall") as http, http.get("/errors") as page:
        text = await page.text()
        assert "/runbook/email.unauthorized" in text
        assert sorted(re.findall(r"Last <code>(\d+)", text)) == ["400", "403"]
        assert "</code>: “API key is invalid.”" in text
        refused = await stage.owner.fetchval(
            "select id from delivery where last_case = 'email.unauthorized' limit 1"
        )
        async with http.get(f"/messages/{refused}") as page:
            assert "invalid_api_key, “API key is invalid.”: the lane" in await page.text()
        assert [name for name in (*NAMES, CLIENT) if name in text] == []


async def test_a_count_stands_beside_all_messages(stage: Stage) -> None:
    """Messages that met a case, of all that were taken or ended as the ledger holds them."""
    await _complained(stage, times=1)
    await stage.owner.fetchval("select app.advance_clock(interval '16 min')")
    await Folder(stage.services.database, stage.services.runbooks).tick()
    taken = await stage.owner.fetchval(
        "select count(*) from delivery where practice_id = $1 and integration = 'email'"
        " and coalesce(accepted_at, ended_at) is not null",
        stage.lakeside,
    )
    async with visitor(stage, "frontdesk") as http:
        async with http.get("/errors?days=7") as page:
            text = await page.text()
            assert f"of {taken}</span>" in text and taken == 6, "too few for a share"
            assert "met 2 times" not in text
        await stage.owner.fetchval("select app.advance_clock(interval '2 days')")
        async with http.get("/errors?days=1") as page:
            assert "/runbook/email.complained" not in await page.text(), "not seen today"


async def test_a_drills_errors_are_left_out(stage: Stage) -> None:
    """Unless they are asked for."""
    await stage.owner.execute(
        "update delivery set drill = 'email/recipient_complains-1' where id = $1", stage.delivered
    )
    await _complained(stage, times=1, drill="email/recipient_complains-1")
    async with visitor(stage, "oncall") as http:
        for path, found in (("/errors", False), ("/errors?drills=1", True)):
            async with http.get(path) as page:
                assert ("/runbook/email.complained" in await page.text()) is found


async def test_a_game_days_practice_is_left_out(stage: Stage) -> None:
    """Its errors are the drills' as well, though no drill sent its messages."""
    await stage.owner.execute("update practice set is_drill = true where id = $1", stage.lakeside)
    await _complained(stage, times=1)
    async with visitor(stage, "oncall") as http:
        for path, found in (("/errors", False), ("/errors?drills=1", True)):
            async with http.get(path) as page:
                assert ("/runbook/email.complained" in await page.text()) is found
