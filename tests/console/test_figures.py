"""Figures of the last days: counted for whoever looks, drawn, and said in words."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from mentalspace.console.chart import Took, draw_took, draw_trend
from mentalspace.console.queries.figures import read_five_minutes, read_span, read_week
from mentalspace.engine.rollup import Folder
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
    theirs = await stage.owner.fetchval(
        "select id from delivery where practice_id = $1 and status = 'pending' limit 1", stage.mesa
    )
    await succeed(stage.owner, theirs)
    await _fold(stage)
    zone = await stage.owner.fetchval("select timezone from practice where id = $1", stage.lakeside)
    accepted = await _accepted(stage, stage.lakeside, zone)
    async with visitor(stage, "frontdesk") as http, http.get("/messages/figures") as page:
        text = await page.text()
        assert page.status == 200
        assert f"of {accepted:,}" in text
        assert "too few messages to say" in text, "some are made each day, not twenty"
        assert "Packet loss rate" in text and "no data yet" in text, "of a room not built yet"
    async with visitor(stage, "oncall") as http, http.get("/messages/figures") as page:
        both = await _accepted(stage, stage.lakeside, "UTC") + 1
        assert f"of {both:,}" in await page.text()


async def _fold(stage: Stage) -> None:
    await stage.owner.fetchval("select app.advance_clock(interval '16 min')")
    await Folder(stage.services.database, stage.services.runbooks).tick()


async def _accepted(stage: Stage, practice_id: UUID, zone: str) -> int:
    """Mails of the practice's own days, of which today is the last in that zone."""
    found: int = await stage.owner.fetchval(
        "select count(*) from delivery d join practice p on p.id = d.practice_id"
        " where d.practice_id = $1 and d.integration = 'email' and d.drill is null"
        " and (d.accepted_at at time zone p.timezone)::date"
        "   > (app.now() at time zone $2)::date - 30",
        practice_id,
        zone,
    )
    return found


async def test_series_are_what_the_ledger_holds(stage: Stage) -> None:
    """Days with their outcomes and times, hours of the week, five minutes of all practices; a drill
    is in none."""
    credential_id = await stage.owner.fetchval(
        "select credential_id from delivery where id = $1", stage.delivered
    )
    drilled = await stage.owner.fetchval(
        "select id from delivery where practice_id = $1 and status = 'pending' limit 1",
        stage.lakeside,
    )
    await stage.owner.execute("update delivery set drill = 'd-1' where id = $1", drilled)
    await succeed(stage.owner, drilled)
    await stage.owner.execute(
        "update attempt set drill = 'd-1' where id in"
        " (select attempt_id from attempt_delivery where delivery_id = $1)",
        drilled,
    )
    await _fold(stage)
    async with stage.services.database.as_oncall() as connection:
        span = await read_span(connection, [credential_id], 3, "America/Chicago")
        week = await read_week(connection, [credential_id], 1)
        fives = await read_five_minutes(connection, "email", timedelta(hours=1))
    assert (span.days[0].delivered, len(span.days)) == (0, 3)
    total = span.total
    assert (total.accepted, total.delivered, total.silent, total.failed) == (6, 6, 0, 0)
    assert (total.requests, total.requests_theirs) == (7, 0)
    assert sum(total.send.values()) == sum(total.way.values()) == 6
    assert span.people == 6
    assert sum(hour.delivered for day in week for hour in day) == 6
    assert sum(five.delivered for five in fives) == 6
    assert sum(five.requests for five in fives) == 9, "Mesa's two among them"
