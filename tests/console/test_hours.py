"""The last day as it stood: breakers, pauses, queues and incidents by what the ledger tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from mentalspace.console.charts.queue import Waited, draw_queue
from mentalspace.console.charts.strip import Stretch, draw_strip, fold
from mentalspace.console.queries.hours import (
    read_credentials,
    read_queues,
    read_stretches,
    window,
)
from tests.console.stage import CLIENT, Stage
from tests.console.test_doors import NAMES, visitor

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
SINCE = NOON - timedelta(hours=24)


def _at(hours_ago: float) -> datetime:
    return NOON - timedelta(hours=hours_ago)


def test_what_switched_becomes_stretches() -> None:
    """An end without a beginning began before; what is on lasts; what was never heard of stands
    since it says; a second \"on\" is no second beginning."""
    events = [(_at(20), False), (_at(9), True), (_at(8.9), True), (_at(8), False), (_at(1), True)]
    assert fold(events, "open", SINCE, _at(1)) == [
        Stretch("open", SINCE, _at(20)),
        Stretch("open", _at(9), _at(8)),
        Stretch("open", _at(1), None),
    ]
    assert fold([], "open", SINCE, None) == []
    assert fold([], "open", SINCE, _at(30)) == [Stretch("open", _at(30), None)]


def test_states_are_told_by_height_and_words() -> None:
    """Half open stands lower than open and over it, what is short is seen, and the text adds up."""
    stretches = [
        Stretch("open", _at(30), _at(22)),
        Stretch("half_open", _at(22.5), _at(22.49)),
        Stretch("open", _at(1), None),
    ]
    chart = draw_strip(stretches, SINCE, NOON, "Closed.")
    ground, first, last, probe = chart.bars
    assert (first.x, first.width, last.x + last.width) == (0, 24, chart.width)
    assert probe.height < first.height and probe.width == 0.4, "in sight though it took seconds"
    assert probe.tone != first.tone and ground.tone == "none"
    assert "breaker open: 2 times, 180 min, and still" in chart.text
    assert draw_strip([], SINCE, NOON, "Closed.").text == "Closed."


def test_a_long_wait_stands_out() -> None:
    """Over the line it has another tone; the text tells the longest and what waits now."""
    quarters = [
        Waited(_at(1), timedelta(minutes=4), 2),
        Waited(_at(0.75), timedelta(minutes=40), 9),
        Waited(_at(0.5), timedelta(), 0),
    ]
    chart = draw_queue(quarters)
    assert [bar.tone for bar in chart.bars] == ["none", "info", "warn", "edge"]
    assert "Longest wait 40 min, in 2 of 3" in chart.text and "none now" in chart.text
    assert draw_queue(quarters[2:]).text == "Nothing waited longer than a minute."


async def _switched(stage: Stage, attempt: UUID, kind: str, minutes_ago: int) -> None:
    await stage.owner.execute(
        "insert into timeline (practice_id, attempt_id, kind, actor, at)"
        " select practice_id, id, $2, 'worker', app.now() - $3 * interval '1 min'"
        "  from attempt where id = $1",
        attempt,
        kind,
        minutes_ago,
    )


async def test_the_last_day_is_what_the_ledger_tells(stage: Stage) -> None:
    """A breaker's hours and its probe, a wait that has ended and one that lasts; what a person
    holds is no queue; an administrator sees their own practice, on-call all and nobody's name."""
    owner = stage.owner
    sent = await owner.fetchrow(
        "select a.id, a.credential_id from attempt a join attempt_delivery x on x.attempt_id = a.id"
        " where x.delivery_id = $1",
        stage.delivered,
    )
    assert sent is not None
    await _switched(stage, sent["id"], "breaker_opened", 90)
    await _switched(stage, sent["id"], "breaker_closed", 30)
    await owner.execute(
        "update attempt set started_at = app.now() - interval '61 min',"
        " finished_at = app.now() - interval '60 min' where id = $1",
        sent["id"],
    )
    await owner.execute(
        "update delivery set due_at = accepted_at - interval '50 min' where id = $1",
        stage.delivered,
    )
    waiting = await owner.fetchval(
        "update delivery set due_at = app.now() - interval '20 min' where id = (select id from"
        " delivery where practice_id = $1 and status = 'pending' and integration = 'email' limit 1)"
        " returning id",
        stage.mesa,
    )
    await owner.execute(
        "update delivery set due_at = app.now() - interval '5 hours' where id = $1", stage.held
    )
    async with stage.services.database.as_oncall() as connection:
        since, now = await window(connection)
        credentials = await read_credentials(connection)
        stretches = (await read_stretches(connection, credentials, since, now))[
            sent["credential_id"]
        ]
        quarters = (await read_queues(connection, credentials, since, now))["email"]
    assert [(s.kind, round((now - s.since).total_seconds() / 60)) for s in stretches] == [
        ("open", 90),
        ("half_open", 61),
    ]
    assert len(quarters) == 96 and waiting is not None
    assert max(q.oldest for q in quarters).total_seconds() // 60 == 50
    assert 4 <= sum(q.number > 0 for q in quarters) <= 5, "the held one is no queue"
    assert quarters[-1].oldest.total_seconds() / 60 >= 19
    async with visitor(stage, "oncall") as http, http.get("/hours") as page:
        text = await page.text()
        assert "Mesa Family Practice" in text and "A provider refuses" in text
        assert "breaker open: once, 60 min" in text.lower() and "Longest wait 50 min" in text
        assert [name for name in (*NAMES, CLIENT) if name in text] == []
    async with visitor(stage, "admin") as http, http.get("/hours") as page:
        text = await page.text()
        assert page.status == 200 and "Longest wait 50 min" in text
        assert "Mesa" not in text and "A provider refuses" not in text
    async with visitor(stage, "frontdesk") as http, http.get("/hours") as page:
        assert page.status == 403
