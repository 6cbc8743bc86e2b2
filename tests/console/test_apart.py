"""An incident counts whom its own fault touched since it began; what was before is not mixed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from mentalspace.engine.house_alert import hold
from mentalspace.engine.incidents import NewIncident, open_incident
from mentalspace.kernel.case import Severity
from tests.console.stage import Stage, fail, succeed, walk
from tests.console.test_doors import visitor
from tests.console.test_group import _big

# Mesa's confirmations: two have met a refused key.
_MAILS = """
select distinct on (recipient_key) id, attempts from delivery where practice_id = $1
 and integration = 'email' and status = 'pending' and due_at <= app.now()
 order by recipient_key, due_at
"""


async def _mails(stage: Stage) -> list[Any]:
    rows = await stage.owner.fetch(_MAILS, stage.mesa)
    return [row["id"] for row in sorted(rows, key=lambda row: -row["attempts"])]


async def _read(stage: Stage, path: str = "") -> str:
    path = path or f"/incidents/{stage.incident}"
    async with visitor(stage, "oncall") as http, http.get(path) as answer:
        return await answer.text()


async def _back(stage: Stage, delivery: Any, minutes: int) -> None:
    await stage.owner.execute(
        "update attempt set finished_at = finished_at - $2::interval,"
        " started_at = started_at - $2::interval"
        " where id in (select attempt_id from attempt_delivery where delivery_id = $1)",
        delivery,
        timedelta(minutes=minutes),
    )


async def test_what_an_older_trouble_left_behind_is_not_this_ones(stage: Stage) -> None:
    """A mail held two hours ago, before the last good answer, is no part of what began a minute
    ago; held since, it is."""
    first, second, old, good, _rest = await _mails(stage)
    await fail(stage.owner, old, 400, "x", "email.validation_error", "human", "ours")
    await walk(stage.owner, old, "held", held_reason="malformed")
    before = _big(await _read(stage), "people")
    await _back(stage, old, 120)
    await succeed(stage.owner, good)
    await _back(stage, good, 60)
    assert before == "5 people"
    assert _big(await _read(stage), "people") == "3 people", "two of the key, and one behind them"
    assert {first, second}.isdisjoint({old, good})


async def test_what_turned_says_both_moments_and_counts_since_the_turn(stage: Stage) -> None:
    """Two mails met the provider's failure, then one a refused key: it stands as ours since then,
    and the two of before are named apart."""
    theirs_one, theirs_two, ours, *behind = await _mails(stage)
    owner = stage.owner
    await owner.execute(
        "update attempt set fault = 'theirs', case_id = 'email.server_error' where fault = 'ours'"
    )
    await owner.execute(
        "update incident set fault = 'theirs', case_id = 'email.server_error',"
        " since = app.now() - interval '40 min' where id = $1",
        stage.incident,
    )
    for delivery in (theirs_one, theirs_two):
        await _back(stage, delivery, 30)
    await fail(owner, ours, 403, "invalid_api_key", "email.unauthorized", "wait", "ours")
    await walk(owner, ours, "pending")
    for delivery in behind:
        await walk(owner, delivery, "cancelled")
    row = await owner.fetchrow("select * from incident where id = $1", stage.incident)
    assert row is not None
    new = NewIncident(
        key=row["key"], rule_id=row["rule_id"], case_id="email.unauthorized", integration="email",
        credential_id=row["credential_id"], practice_id=stage.mesa, severity=Severity.CRITICAL,
        title=row["title"], fault="ours", since=datetime.now(UTC), facts={}, drill=None,
    )  # fmt: skip
    async with stage.services.database.as_dispatcher() as connection:
        await open_incident(connection, stage.services.runbooks.escalation, new)
        await open_incident(connection, stage.services.runbooks.escalation, new)
    page = await _read(stage)
    assert "Theirs since <time" in page and ", ours since <time" in page
    assert _big(page, "people") == "1 person"
    assert "Theirs before met 2 people, of whom 2 are not reached yet" in page
    assert ", <b>ours since <time" in await _read(stage, "/incidents")
    facts = await owner.fetchval("select facts from incident where id = $1", stage.incident)
    assert facts["turned_case"] == "email.server_error"


async def test_a_part_that_is_ours_amid_theirs_is_said_with_what_to_do(stage: Stage) -> None:
    """Three of eight that failed are ours: both are said, and the action of ours comes first."""
    owner, mails = stage.owner, await _mails(stage)
    await fail(owner, mails[2], 403, "invalid_api_key", "email.unauthorized", "wait", "ours")
    await walk(owner, mails[2], "pending")
    more = await owner.fetch(_MORE, mails[4], 5)
    for row in more:
        await fail(owner, row["id"], 503, "x", "email.server_error", "retry", "theirs")
        await walk(owner, row["id"], "pending")
    await owner.execute(
        "update incident set fault = 'theirs', case_id = 'email.server_error',"
        " rule_id = 'email.consecutive_failures' where id = $1",
        stage.incident,
    )
    page = await _read(stage)
    assert _big(page, "whose") == "Mostly theirs, partly ours"
    assert "3 of the 8 messages that failed since it began are ours: " in page
    now = page.partition("<b>Now:</b>")[2].partition("</section>")[0]
    assert "What of it is ours: " in now and "Enter a key that Resend accepts" in now
    assert "Not counted: 3 people whose message failed by what is ours at the same time" in page


async def test_the_house_does_not_count_who_waits_for_something_else(stage: Stage) -> None:
    """What a paused lane kept before the worker fell silent is that lane's incident."""
    await stage.owner.execute(
        "update lane set paused_at = app.now() - interval '2 h' where state = 'paused'"
    )
    since = datetime.now(UTC) - timedelta(minutes=5)
    async with stage.services.database.as_dispatcher() as connection:
        await hold(
            connection, stage.services.runbooks.escalation, "house.loop_silent",
            {"worker": "The worker is silent"}, since={"worker": since},
        )  # fmt: skip
    incident = await stage.owner.fetchval("select id from incident where integration = 'house'")
    stopped = _big(await _read(stage, f"/incidents/{incident}"), "people")
    await stage.owner.execute("update lane set state = 'open' where state = 'paused'")
    going = _big(await _read(stage, f"/incidents/{incident}"), "people")
    assert int(going.split()[0]) >= int(stopped.split()[0]) + 3


_MORE = """
insert into delivery (practice_id, lane_id, credential_id, integration, kind, recipient_key,
  idempotency_key, due_at, next_attempt_at, traceparent)
select practice_id, lane_id, credential_id, integration, kind, 'more' || n, 'more/' || n || id,
       app.now() - interval '5 min', app.now(), '00-0-0-00'
  from delivery cross join generate_series(1, $2) n where id = $1 returning id
"""
