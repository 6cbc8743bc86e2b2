"""Figures of the last days: counted for whoever looks, drawn, and said in words."""

from __future__ import annotations

from datetime import date, timedelta

from mentalspace.console.chart import Took, draw_took, draw_trend
from mentalspace.workflows.demo_history import Wanted, make_history
from tests.console.stage import Stage, succeed
from tests.console.test_doors import visitor

FIRST = date(2026, 11, 1)


def test_times_stand_against_their_target() -> None:
    """A day over the target is told from one under it, and one of too few has no bar."""
    days = [Took(FIRST, 40, 0.5, 2.0), Took(FIRST + timedelta(1), 40, 1.0, 10.0),
            Took(FIRST + timedelta(2), 19, 30.0, 60.0)]  # fmt: skip
    chart = draw_took(days, 5.0, 20)
    assert [bar.tone for bar in chart.bars] == ["info", "ok", "warn", "ok", "edge"]
    low, _, high, _, line = chart.bars
    assert high.height > low.height and high.y < line.y < low.y
    assert "slowest day was 2 Nov, with 10.0 s" in chart.text
    assert "target, 5 s" in chart.text
    chart = draw_took([*days[:2], Took(FIRST + timedelta(2), 40, 0.5, 900.0)], 5.0, 20)
    assert chart.bars[2].height > 14 and "bars end at 20 s" in chart.text
    assert "too few" in draw_took(days[2:], 5.0, 20).text


def test_a_trend_says_what_it_draws() -> None:
    """Its text counts the days and names the worst one; its tone tells whose fault."""
    chart = draw_trend([(FIRST, 1), (FIRST + timedelta(1), 4)], "warn")
    assert chart.text == "5 in 2 days, most on 2 Nov: 4."
    assert [bar.tone for bar in chart.bars] == ["warn", "warn"]
    assert draw_trend([(FIRST, 0)], "bad").text == "None in 1 days."


async def test_staff_count_their_own(stage: Stage) -> None:
    """A share stands with its n where there are enough; another practice's messages do not count,
    for on-call they do."""
    services = stage.services
    await make_history(
        services, stage.owner, Wanted(60, seed=7), password="-", now=services.clock.now()
    )
    accepted = await stage.owner.fetchval(
        "select count(*) from delivery where practice_id = $1 and integration = 'email'"
        " and accepted_at > app.now() - interval '14 days'",
        stage.lakeside,
    )
    theirs = await stage.owner.fetchval(
        "select id from delivery where practice_id = $1 and status = 'pending' limit 1", stage.mesa
    )
    await succeed(stage.owner, theirs)
    async with visitor(stage, "frontdesk") as http, http.get("/messages/figures") as page:
        text = await page.text()
        assert page.status == 200
        assert f"of {accepted:,}" in text
        assert "too few messages to say" in text, "some are made each day, not twenty"
    async with visitor(stage, "oncall") as http, http.get("/messages/figures") as page:
        assert f"of {accepted + 1:,}" in await page.text()
