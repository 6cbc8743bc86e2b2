"""From a rule that holds to a person who has it: incidents, escalation, pages."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from mentalspace.engine.incidents import resolve
from mentalspace.engine.pager import MOST_TRIES
from tests.engine.desk import MINUTE, Desk
from tests.engine.toy import ADDRESS, PROVIDER, Reply

# Rules --------------------------------------------------------------------------------------


async def test_an_incident_says_what_and_pages_its_rung(desk: Desk) -> None:
    """A rule that holds opens one incident and pages its first rung, with the first step and a
    link, and without a name."""
    await desk.fail(400, to=ADDRESS)
    await desk.tick()
    incident = await desk.incident()
    assert (incident["rule_id"], incident["severity"]) == ("toy.ours", "high")
    assert incident["facts"]["failed_recipients"] == 1
    [(target, text)] = desk.pages
    assert target == "oncall"
    assert f"https://clinic.example/incidents/{incident['id']}" in text
    assert "look" in text
    assert ADDRESS not in text
    assert await desk.told(incident["id"]) == [
        "incident_opened",
        "action_asked",
        "page_sent",
    ]


async def test_a_rules_own_step_names_the_provider_it_fires_at(desk: Desk) -> None:
    """The overview's words are of its first provider; the incident and its page are of another."""
    [room] = desk.evaluator.runbooks.rooms
    [bad_key, *others] = room.overview.alerts
    written = f"Check {room.overview.provider} status, then our lanes"
    alerts = (replace(bad_key, action=written), *others)
    room = replace(room, overview=replace(room.overview, alerts=alerts), providers=(PROVIDER,))
    books = replace(desk.evaluator.runbooks, rooms=(room,))
    desk.evaluator = replace(desk.evaluator, runbooks=books)
    await desk.fail(401)
    await desk.tick()
    first = "See whether Acme answers, then our lanes"
    assert (await desk.incident())["facts"]["first_step"] == first
    assert all(f"First: {first}." in text for _target, text in desk.pages) and desk.pages


async def test_what_befalls_a_game_days_practice_pages_nobody(desk: Desk) -> None:
    """It is written down and told as a drill's is: the drill's channel alone hears of it."""
    await desk.bench.admin.execute("update practice set is_drill = true")
    await desk.fail(400, to=ADDRESS)
    await desk.tick()
    incident = await desk.bench.admin.fetchrow("select drill, status from incident")
    assert tuple(incident) == ("game-day", "open")
    assert {target for target, _text in desk.pages} <= {"drill"}


async def test_the_same_cause_opens_no_second_incident(desk: Desk) -> None:
    """However often and long a rule holds, there is one incident of it and its first page."""
    await desk.fail(400)
    await desk.tick()
    await desk.fail(400, 3)
    await desk.tick()
    await desk.tick()
    incident = await desk.incident()
    assert incident["facts"]["failed_deliveries"] == 4
    assert len(desk.pages) == 1


async def test_what_is_closed_while_it_lasts_is_the_same_trouble(desk: Desk) -> None:
    """Open again with its true beginning, and it says who closed it; once it was over, what fails
    later is another incident, which began after the first was closed."""
    await desk.fail(400)
    await desk.tick()
    first = await desk.incident()
    async with desk.bench.database.as_oncall() as connection:
        assert await resolve(connection, first["id"], "noor")
        assert not await resolve(connection, first["id"], "noor")
    await desk.tick(MINUTE)
    again = await desk.incident()
    assert (again["id"], again["status"], again["since"]) == (first["id"], "open", first["since"])
    assert (again["recovered_at"], len(desk.pages)) == (None, 2)
    assert (
        await desk.bench.admin.fetchval(
            "select data ->> 'by' from timeline where kind = 'incident_regressed'"
        )
        == "noor"
    )
    await desk.succeed(1)
    async with desk.bench.database.as_oncall() as connection:
        assert await resolve(connection, first["id"], "noor")
    await desk.bench.advance(2 * MINUTE)
    await desk.fail(400)
    await desk.tick()
    old, new = await desk.bench.admin.fetch("select * from incident order by opened_at")
    assert (old["id"], old["status"], new["status"]) == (first["id"], "resolved", "open")
    assert new["since"] > old["resolved_at"]


@pytest.mark.parametrize("closed", [True, False], ids=["closed while it lasted", "over"])
async def test_what_comes_back_by_another_cause_says_so(desk: Desk, closed: bool) -> None:
    """It bears the new case, and keeps what it was; timeline and page say both. By the same case it
    is the same trouble again."""
    await _fail_with(desk, "toy.too_fast")
    await desk.tick()
    first = await desk.incident()
    assert (first["case_id"], first["fault"]) == ("toy.too_fast", "ours")
    if closed:
        async with desk.bench.database.as_oncall() as connection:
            assert await resolve(connection, first["id"], "noor")
    else:
        await desk.succeed(2)
        await desk.tick()
        assert (await desk.incident())["recovered_at"] is not None
    await _fail_with(desk, "toy.bad_one")
    await desk.tick(MINUTE)
    again = await desk.incident()
    assert (again["id"], again["case_id"], again["status"]) == (first["id"], "toy.bad_one", "open")
    assert again["facts"]["before"] == {"case": "toy.too_fast", "fault": "ours"}
    data = await _came_back(desk)
    assert (data["case"], data["case_before"]) == ("toy.bad_one", "toy.too_fast")
    assert ("closed_at" in data) is closed
    text = desk.pages[-1][1]
    assert "Ours, and another cause than before it was closed or over (toy.too_fast)" in text
    async with desk.bench.database.as_oncall() as connection:
        assert await resolve(connection, first["id"], "noor")
    await desk.tick(MINUTE)
    assert "before" not in (await desk.incident())["facts"], "the same, this time"
    assert "case_before" not in await _came_back(desk)


async def test_what_was_ours_and_comes_back_as_theirs_joins_who_is_out(desk: Desk) -> None:
    """Closed while it lasted; now the provider is out, which another incident told already."""
    await _fail_with(desk, "toy.too_fast")
    await desk.tick()
    first = await desk.incident()
    async with desk.bench.database.as_oncall() as connection:
        assert await resolve(connection, first["id"], "noor")
    await _fail_with(desk, "toy.busy", "theirs")
    await desk.tick(MINUTE)
    again = await desk.incident()
    assert (again["fault"], again["case_id"]) == ("theirs", "toy.busy")
    assert again["cause"] == "toy.in_a_row:acme"
    assert (await _came_back(desk))["fault_before"] == "ours"


async def _fail_with(desk: Desk, case: str, fault: str = "ours") -> None:
    """Five more people's tries meet this case, the latest; none is tried again."""
    await desk.fail(429, 5)
    await desk.bench.admin.execute(
        "update delivery set next_attempt_at = app.now() + interval '1 day'"
        " where status = 'pending'"
    )
    await desk.bench.admin.execute(
        "update attempt set case_id = $1, fault = $2, finished_at = app.now()"
        " where id in (select id from attempt where state = 'failed'"
        " order by finished_at desc limit 5)",
        case,
        fault,
    )


async def _came_back(desk: Desk) -> dict[str, Any]:
    data = await desk.bench.admin.fetchval(
        "select data from timeline where kind = 'incident_regressed' order by id desc limit 1"
    )
    found: dict[str, Any] = json.loads(data) if isinstance(data, str) else data
    return found


async def test_two_evaluators_at_once_open_one_incident(desk: Desk) -> None:
    """Evaluators and pagers of several workers at once open one incident and page once."""
    await desk.fail(400)
    desk.slow_s = 0.3
    opened = await asyncio.gather(*(desk.evaluator.tick() for _ in range(4)))
    assert sum(opened) == 1
    await asyncio.gather(*(desk.pager.tick() for _ in range(4)))
    assert desk.targets() == ["oncall"]


@pytest.mark.parametrize(
    ("http", "count", "to", "opens"),
    [
        (503, 4, None, False),
        (503, 5, None, True),
        (503, 5, ADDRESS, False),  # one person's five mails are one failure
        (422, 6, None, False),  # the recipients' own fault
    ],
)
async def test_five_people_in_a_row(
    desk: Desk, http: int, count: int, to: str | None, opens: bool
) -> None:
    """The streak counts people whom we or the provider failed, not retries, not their faults."""
    await desk.fail(http, count, to)
    await desk.tick()
    rows = await desk.bench.admin.fetch("select rule_id from incident")
    assert [row["rule_id"] for row in rows] == (["toy.in_a_row"] if opens else [])


async def test_retries_of_one_delivery_are_one_failure(desk: Desk) -> None:
    """A delivery that fails six times by itself is no streak."""
    desk.bench.server.script.extend([Reply(http=429)] * 6)
    await desk.bench.deliver()
    await desk.bench.turns(6)
    await desk.tick()
    assert await desk.bench.admin.fetchval("select count(*) from incident") == 0


async def test_a_success_ends_the_streak(desk: Desk) -> None:
    """Three failures, a success and three more are not five in a row."""
    await desk.fail(503, 3)
    await desk.succeed(1)
    await desk.fail(503, 3)
    await desk.tick()
    assert await desk.bench.admin.fetchval("select count(*) from incident") == 0


# Recovery -----------------------------------------------------------------------------------


async def test_recovery_is_noted_after_enough_successes_and_closes_nothing(desk: Desk) -> None:
    """Two successes in a row note recovery, once; one does not; a person still closes it."""
    await desk.fail(400)
    await desk.tick()
    await desk.succeed(1)
    await desk.tick()
    assert (await desk.incident())["recovered_at"] is None
    await desk.succeed(1)
    await desk.tick()
    await desk.tick()
    incident = await desk.incident()
    assert incident["recovered_at"] is not None
    assert incident["status"] == "open"
    assert (await desk.told(incident["id"])).count("incident_recovered") == 1


async def test_it_is_over_since_the_first_success_after_the_last_failure(desk: Desk) -> None:
    """However long it was watched until that is told."""
    await desk.fail(400)
    await desk.tick()
    await desk.succeed(1)
    await desk.bench.advance(3 * MINUTE)
    await desk.succeed(1)
    await desk.tick()
    incident = await desk.incident()
    first = await desk.bench.admin.fetchval(
        "select min(finished_at) from attempt where state = 'succeeded'"
    )
    assert datetime.fromisoformat(incident["facts"]["over_since"]) == first
    assert incident["recovered_at"] - first >= 3 * MINUTE


async def test_what_fails_again_is_marked_regressed_once(desk: Desk) -> None:
    """A recovered incident whose cause returns says so once, and waits for new successes."""
    await desk.fail(400)
    await desk.tick()
    await desk.succeed(2)
    await desk.tick()
    await desk.fail(400)
    for _ in range(3):
        await desk.tick()
    incident = await desk.incident()
    assert incident["recovered_at"] is None
    changes = [k for k in await desk.told(incident["id"]) if not k.startswith("page")]
    opened = ["incident_opened", "action_asked"]
    assert changes == [*opened, "incident_recovered", "incident_regressed"]
    await desk.succeed(2)
    await desk.tick()
    assert (await desk.incident())["recovered_at"] is not None


async def test_what_fails_again_wakes_somebody_again(desk: Desk) -> None:
    """Acknowledged, recovered, failing again: it is open once more and pages its contact."""
    await desk.fail(400)
    await desk.tick()
    assert await desk.acknowledge()
    await desk.succeed(2)
    await desk.tick()
    await desk.fail(400)
    await desk.tick()
    incident = await desk.incident()
    assert (incident["status"], incident["acknowledged_by"]) == ("open", None)
    assert desk.targets() == ["oncall", "oncall"]


# Escalation ---------------------------------------------------------------------------------


async def test_high_goes_to_the_cto_after_half_an_hour(desk: Desk) -> None:
    """Unacknowledged for thirty minutes, a high incident pages its contact again and the CTO."""
    await desk.fail(400)
    await desk.tick()
    await desk.tick(29 * MINUTE)
    assert desk.targets() == ["oncall"]
    await desk.tick(2 * MINUTE)
    assert desk.targets() == ["cto", "oncall", "oncall"]
    incident = await desk.incident()
    assert "escalated" in await desk.told(incident["id"])


async def test_critical_pages_both_at_once_and_every_five_minutes(desk: Desk) -> None:
    """A critical incident pages on-call, CTO and all other hands at once, and again each five
    minutes."""
    await desk.fail(401)
    await desk.tick()
    assert desk.targets() == ["assigned", "cto", "oncall"]
    await desk.tick(4 * MINUTE)
    assert len(desk.pages) == 3
    await desk.tick(2 * MINUTE)
    assert desk.targets() == sorted(2 * ["assigned", "cto", "oncall"])
    await desk.tick(6 * MINUTE)
    assert len(desk.pages) == 9


@pytest.mark.parametrize("http", [401, 400])
async def test_acknowledging_stops_the_pages(desk: Desk, http: int) -> None:
    """Once somebody has it, nobody else is woken for hours; a second press is none."""
    await desk.fail(http)
    await desk.tick()
    before = len(desk.pages)
    assert await desk.acknowledge()
    assert not await desk.acknowledge()
    for _ in range(3):
        await desk.tick(timedelta(hours=1))
    assert len(desk.pages) == before
    incident = await desk.incident()
    assert (incident["status"], incident["acknowledged_by"]) == ("acknowledged", "noor")


async def test_a_drill_reaches_only_the_drills_channel(desk: Desk) -> None:
    """An incident of a drill's credential pages and escalates to the drill's channel alone."""
    desk.bench.server.script.append(Reply(http=401))
    await desk.bench.deliver()
    await desk.bench.admin.execute("update credential set drill = 'toy/key'")
    await desk.bench.turn()
    await desk.tick()
    await desk.tick(6 * MINUTE)
    assert set(desk.targets()) == {"drill"}
    told = sorted(text.partition(":")[0] for _target, text in desk.pages)
    assert told == sorted(2 * [f"DRILL for {whom}" for whom in ("assigned", "cto", "oncall")])


# Pages --------------------------------------------------------------------------------------


async def test_a_broken_channel_is_tried_again_until_it_works(desk: Desk) -> None:
    """A page whose channel is down stays pending, says why, and goes out when it is back."""
    desk.broken = True
    await desk.fail(400)
    await desk.tick()
    page = await _page(desk)
    assert (page["state"], page["tries"]) == ("pending", 1)
    assert page["error"]
    assert desk.channel_url.rpartition(":")[2] not in page["error"]
    desk.broken = False
    await desk.tick()
    assert desk.pages == [], "it waits a little before the next try"
    await _let_time_pass(desk)
    await desk.tick()
    page = await _page(desk)
    assert (page["state"], page["error"]) == ("sent", None)
    assert desk.targets() == ["oncall"]


async def test_a_page_that_never_goes_out_fails_loudly(desk: Desk) -> None:
    """After its last try a page is failed, and the incident's timeline says so."""
    desk.broken = True
    await desk.fail(400)
    for _ in range(MOST_TRIES):
        await desk.tick()
        await _let_time_pass(desk)
    page = await _page(desk)
    assert (page["state"], page["tries"]) == ("failed", MOST_TRIES)
    assert "page_failed" in await desk.told((await desk.incident())["id"])


async def test_a_target_without_an_address_says_so(desk: Desk) -> None:
    """A page to somebody nobody configured is not lost in silence."""
    desk.pager = replace(desk.pager, urls={})
    await desk.fail(400)
    await desk.tick()
    assert "no address is configured" in (await _page(desk))["error"]


async def test_one_slow_channel_does_not_delay_the_others(desk: Desk) -> None:
    """Pages go out side by side: three of a second each take about one."""
    desk.slow_s = 1.0
    await desk.fail(401)
    began = asyncio.get_running_loop().time()
    await desk.tick()
    assert asyncio.get_running_loop().time() - began < 1.8
    assert desk.targets() == ["assigned", "cto", "oncall"]


async def _page(desk: Desk) -> dict[str, Any]:
    [row] = await desk.bench.admin.fetch("select * from page")
    return dict(row)


async def _let_time_pass(desk: Desk) -> None:
    await desk.bench.admin.execute("update page set next_try_at = clock_timestamp()")
