"""What a page counts at night: what is stuck and what only rests, alike on every page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mentalspace.cli.doctor import screen
from mentalspace.workflows.doctor import examine
from tests.console.stage import Stage
from tests.console.test_doors import visitor


async def test_what_rests_until_the_morning_is_told_apart_from_what_is_stuck(stage: Stage) -> None:
    """Of Mesa's messages two are stuck behind its key and the others are due outside their hours:
    card, incident, doctor and screen count two, and say that the others wait as they should."""
    resting = await _rest(stage)
    assert resting >= 3
    async with visitor(stage, "oncall") as http:
        async with http.get("/") as answer:
            card = (await answer.text()).split("Mesa Family Practice, credential")[1]
        async with http.get(f"/incidents/{stage.incident}") as answer:
            incident = await answer.text()
        async with http.get("/doctor/email") as answer:
            page = await answer.text()
    apart = f"{resting} wait for the morning, as they should"
    assert "<dd>2, oldest for" in card and apart in card.split("</article>")[0]
    assert "<b>2</b> waiting, kept" in incident and '<p class="big">2 people</p>' in incident
    assert f"Not counted: {resting} messages" in incident
    assert f"{resting} for the morning, as they should" in page
    [report] = await examine(stage.services, "email", practice_id=stage.mesa)
    [line] = [each for each in report.credentials if each.waiting or each.resting]
    assert (line.waiting, line.resting) == (2, resting)
    assert f"{resting} more wait for the morning, as they should" in screen(report)


async def _rest(stage: Stage) -> int:
    """What of Mesa's was not tried is due, and of hours that begin in three days."""
    now: datetime = await stage.owner.fetchval("select app.now()")
    week: list[Any] = [None] * 7
    week[(now.weekday() + 3) % 7] = [480, 1260]
    rows = await stage.owner.fetch(
        "update delivery set due_at = app.now() - interval '2 hours', hours = $2"
        " where practice_id = $1 and integration = 'email' and attempts = 0"
        " and status = 'pending' returning id",
        stage.mesa,
        {"zones": ["America/Chicago"], "week": week},
    )
    await stage.owner.execute(
        "update delivery set due_at = app.now() - interval '1 hour'"
        " where practice_id = $1 and attempts > 0",
        stage.mesa,
    )
    return len(rows)
