"""Figures of the last days: counted for whoever looks, drawn, and said in words."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, timedelta
from functools import partial
from uuid import UUID

from mentalspace.console.chart import Took, draw_took, draw_trend
from mentalspace.console.charts.budget import Budget, Tried, draw_budget
from mentalspace.console.charts.cost import draw_cost, money, spent
from mentalspace.console.charts.ends import Ends, draw_ends, legend
from mentalspace.console.charts.week import draw_week
from mentalspace.console.queries.figures import read_five_minutes, read_span, read_week
from mentalspace.engine.rollup import Folder
from mentalspace.engine.runbook import load_runbooks
from mentalspace.engine.watch.cost import overspends
from mentalspace.integrations import discover_rooms
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


def test_each_way_to_end_has_a_pattern_and_a_count() -> None:
    """What failed stands on the ground; the legend counts each way, and no two look the same."""
    ends = Ends(delivered=90, untold=1, silent=2, recipient=3, ours=4, theirs=5)
    chart = draw_ends([(FIRST, ends), (FIRST + timedelta(1), Ends())])
    tones = [bar.tone for bar in chart.bars]
    assert tones == [
        "bad", "hatch-ours", "hatch-recipient", "hatch-silent", "info", "ok", "none"
    ]  # fmt: skip
    assert chart.bars[0].y + chart.bars[0].height == chart.height, "on the ground"
    assert [line.number for line in legend(ends)] == [90, 1, 2, 3, 4, 5]
    assert "90 delivered, 1 accepted, no news to come" in chart.text
    assert "Most on 1 Nov: 105." in chart.text
    assert draw_ends([(FIRST, Ends())]).text == "Last 1 days: no message is counted yet."


def test_a_budget_tells_chance_from_more_than_chance() -> None:
    """A share of what is allowed is told where enough is allowed; one failure of few is no verdict,
    and an overspent day is drawn above its line."""
    within = Budget("Rate", 0.98, [Tried(FIRST, 500, 2), Tried(FIRST + timedelta(1), 500, 3)])
    assert (within.state, within.left, within.share) == ("within", 15, 75)
    assert "98% lets 20 fail: 15 left, 75%" in draw_budget(within).text
    few = Budget("Rate", 0.98, [Tried(FIRST, 20, 1)])
    assert (few.state, few.share) == ("chance", None)
    assert "may be chance" in draw_budget(few).text and "0.4" in draw_budget(few).text
    spent_up = Budget("Rate", 0.98, [Tried(FIRST, 20, 4)])
    assert spent_up.state == "spent"
    bar, line = draw_budget(spent_up).bars
    assert bar.tone == "bad" and bar.y < line.y
    assert Budget("Rate", 0.98, [Tried(FIRST, 0, 0)]).state == "none"
    none = Budget("Rate", 0.98, [Tried(FIRST, 42, 0)])
    assert none.state == "few"
    assert "too few to allow one" in draw_budget(none).text


def test_a_day_stands_out_against_its_weekday() -> None:
    """The usual is the middle of the same weekday's last weeks and is not known from too few; twice
    as much stands out unless it is a matter of cents."""
    amounts = [(FIRST + timedelta(day), 1.0 + day % 7) for day in range(35)]
    rule = next(
        r
        for r in load_runbooks(list(discover_rooms().values()), None).alerts
        if r.id == "email.cost_runs_away"
    )
    over = partial(overspends, rule)
    days = spent([*amounts, (FIRST + timedelta(35), 9.0)], 23, over)
    assert [day.usual for day in days[:2]] == [None, 1.0], "one such day before, then two"
    assert days[-1].stands_out and days[-1].usual == 1.0
    chart = draw_cost(days, "USD")
    assert [bar.tone for bar in chart.bars[-2:]] == ["warn", "edge"]
    assert "far over the usual on 6 Dec" in chart.text
    cents = [(day, amount / 10) for day, amount in amounts]
    assert not spent([*cents, (FIRST + timedelta(35), 0.9)], 1, over)[-1].stands_out
    assert (money(0.0018), money(1.5)) == ("0.0018", "1.50")


def test_the_fullest_hour_is_the_largest_square() -> None:
    """Size tells as well as shade, and an hour of nothing has a dot."""
    numbers = [[0] * 24 for _ in range(7)]
    numbers[4][16], numbers[0][8] = 100, 25
    week = draw_week(numbers, "messages accepted", "info")
    full, quarter, none = week.rows[4].bars[16], week.rows[0].bars[8], week.rows[0].bars[0]
    assert full.width == 2 * quarter.width and none.tone == "none"
    assert full.tone != quarter.tone
    assert "most on Fridays from 16:00 to 17:00: 100" in week.text
    assert draw_week([[0] * 24] * 7, "messages", "info").text == ("0 messages, as counted so far.")


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
    await _pages_hold_the_ledger(stage, text, zone)
    async with visitor(stage, "oncall") as http, http.get("/messages/figures") as page:
        both = await _accepted(stage, stage.lakeside, "UTC") + 1
        assert f"of {both:,}" in await page.text()


async def _pages_hold_the_ledger(stage: Stage, figures: str, zone: str) -> None:
    """Every number of the three pages' Email is the ledger's own."""
    rows = await stage.owner.fetch(
        "select d.status, d.last_case, d.weight, d.accepted_at, x.at at time zone $2 as at,"
        "       date_trunc('hour', x.at) > app.now() - interval '28 days' as in_weeks"
        "  from delivery d cross join lateral (select coalesce(d.accepted_at, d.ended_at) as at) x"
        " where d.practice_id = $1 and d.integration = 'email' and d.drill is null"
        "   and d.status <> 'cancelled' and x.at <= app.now() - interval '15 min'"
        "   and (x.at at time zone $2)::date > (app.now() at time zone $2)::date - 30",
        stage.lakeside,
        zone,
    )
    recipients = stage.services.runbooks.room("email").recipient_cases
    ended = [row for row in rows if row["status"] in ("bounced", "refused", "failed", "expired")]
    delivered = sum(row["status"] == "delivered" for row in rows)
    by_recipient = sum(
        row["status"] == "bounced" or row["last_case"] in recipients for row in ended
    )
    failed = len(ended) - by_recipient
    assert delivered > 20, "there is something to count"
    assert f"<b>{delivered:,}</b> delivered" in figures
    told = f"<b>{by_recipient:,}</b> the recipient’s fault" in figures
    assert told is (by_recipient > 0)
    assert f"{failed:,} of {delivered + failed:,} failed in 30 days" in figures
    taken = [row for row in rows if row["accepted_at"] or row["status"] == "bounced"]
    amount = sum(row["weight"] for row in taken) * 0.0009
    in_weeks = [row for row in taken if row["in_weeks"]]
    fullest = Counter((row["at"].weekday(), row["at"].hour) for row in in_weeks).most_common(1)
    async with visitor(stage, "frontdesk") as http:
        async with http.get("/messages/figures/cost") as page:
            text = await page.text()
            assert f"{money(amount)} USD</b>" in text or f"{money(amount)} USD for" in text
        async with http.get("/messages/figures/week") as page:
            text = await page.text()
            assert f"{len(in_weeks):,} messages accepted in 4 weeks" in text
            assert f": {fullest[0][1]:,}. The fullest day" in text


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
    zone = await stage.owner.fetchval("select timezone from practice where id = $1", stage.lakeside)
    async with stage.services.database.as_oncall() as connection:
        span = await read_span(connection, [credential_id], 3, zone)
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


async def test_each_page_of_figures_says_what_it_has_not_counted_yet(stage: Stage) -> None:
    """Beside an empty week there is what has just been sent; none says that there was nothing."""
    async with visitor(stage, "frontdesk") as http:
        for path in ("", "/week", "/cost"):
            async with http.get(f"/messages/figures{path}") as page:
                text = await page.text()
            assert re.search(r"Not counted here yet: [1-9]\d* messages taken or ended", text), path
            assert "nothing was spent" not in text
