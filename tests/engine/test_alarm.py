"""The alarm about the alarm: tests of every way, the verdict everybody sees, the house's rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mentalspace.engine.alarm import AGAIN, Alarm, AlarmState, ask_test, last_test, read_alarm
from mentalspace.engine.house_alert import HOUSE_RULES
from mentalspace.engine.runbook import load_runbooks
from mentalspace.integrations import discover_rooms
from tests.engine.desk import Desk
from tests.engine.test_oncall import person, rota


async def ways_tested(desk: Desk) -> Any:
    """A test of every way, asked for and done."""
    async with desk.bench.database.as_oncall() as connection:
        test_id = await ask_test(connection, "noor")
    await Alarm(desk.bench.database, desk.pager).tick()
    async with desk.bench.database.as_oncall() as connection:
        return await last_test(connection, test_id)


async def verdict(desk: Desk) -> AlarmState:
    async with desk.bench.database.as_user({}) as connection:
        return await read_alarm(connection)


async def rules(desk: Desk) -> dict[str, bool]:
    """Each house rule with an open incident, and whether it looks recovered."""
    rows = await desk.bench.admin.fetch(
        "select rule_id, recovered_at is not null as over from incident where status <> 'resolved'"
    )
    return {row["rule_id"]: row["over"] for row in rows}


async def test_every_way_is_tested(desk: Desk) -> None:
    """One page through each address of the settings and to each colleague, none to the drills'."""
    await person(desk, "Noor", "noor-1", "noor-2")
    found = await ways_tested(desk)
    assert desk.targets() == ["assigned", "cto", "noor-1", "noor-2", "oncall", "tickets"]
    assert all("TEST" in text and "nothing is wrong" in text for _target, text in desk.pages)
    assert (found["passed"], len(found["results"])) == (True, 6)
    assert (await verdict(desk)).words == "ok"
    assert await rules(desk) == {}


async def test_a_way_that_fails_is_an_incident_until_it_works(desk: Desk) -> None:
    """A refusing way: the test says which, an incident opens, and is over once it takes a page."""
    await person(desk, "Noor", "noor")
    desk.refusing.add("noor")
    found = await ways_tested(desk)
    [bad] = [result for result in found["results"] if not result["ok"]]
    assert (found["passed"], bad["way"]) == (False, "Noor, Apprise (json)")
    state = await verdict(desk)
    assert (state.nobody, state.broken) == ((), ("Noor, Apprise (json)",))
    assert await rules(desk) == {"house.channel_fails": False}
    desk.refusing.clear()
    assert (await ways_tested(desk))["passed"]
    assert (await verdict(desk)).is_well
    assert await rules(desk) == {"house.channel_fails": True}


async def test_a_way_that_failed_is_tried_again_by_itself(desk: Desk) -> None:
    """After five minutes, and it alone; once it works the incident is over. The day's test of every
    way is not put off by it."""
    await person(desk, "Noor", "noor")
    desk.refusing.add("noor")
    await ways_tested(desk)
    alarm = Alarm(desk.bench.database, desk.pager)
    desk.refusing.clear()
    desk.pages.clear()
    await alarm.tick()
    assert desk.pages == []
    await desk.bench.advance(timedelta(minutes=6))
    await alarm.tick()
    await alarm.tick()
    assert desk.targets() == ["noor"]
    assert await rules(desk) == {"house.channel_fails": True}
    async with desk.bench.database.as_oncall() as connection:
        test_id = await ask_test(connection, AGAIN)
    await alarm.tick()
    async with desk.bench.database.as_oncall() as connection:
        nothing: Any = await last_test(connection, test_id)
    assert (nothing["passed"], nothing["results"]) == (True, [])
    await desk.bench.admin.execute(
        "insert into pulse (name, first_at) values ('page', clock_timestamp() - interval '1 hour')"
    )
    await desk.bench.advance(timedelta(hours=23, minutes=58))
    await alarm.tick()
    assert len(desk.pages) == 6


@pytest.mark.parametrize("how", ["refuses", "times out", "has a wrong address"])
async def test_when_nobody_can_be_paged_it_is_said_loudly(
    desk: Desk, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever keeps every page from the on-call engineer, the verdict names it and a critical
    incident stands open."""
    match how:
        case "refuses":
            desk.broken = True
        case "times out":
            monkeypatch.setattr("mentalspace.engine.pager.SEND_WITHIN_S", 0.2)
            desk.slow_s = 1.0
        case _:
            desk.pager.urls["oncall"] = ("no-such-scheme://x",)  # type: ignore[index]
    await ways_tested(desk)
    state = await verdict(desk)
    assert "oncall" in state.nobody
    titles = await desk.bench.admin.fetch("select title from incident order by title")
    assert len(titles) == 2, "whatever fails at once is not paged about way by way"
    assert state.words.startswith("Nobody can be paged: ")
    assert "house.nobody_paged" in await rules(desk)


async def test_an_installation_without_any_address_says_so(desk: Desk) -> None:
    """No schedule and no setting: the on-call engineer cannot be paged, and that is the verdict."""
    desk.pager.urls.clear()  # type: ignore[attr-defined]
    assert not (await ways_tested(desk))["passed"]
    words = (await verdict(desk)).words
    assert words == "Nobody can be paged: oncall (no way to page is known)"


async def test_a_page_that_failed_is_enough_for_the_verdict(desk: Desk) -> None:
    """Nobody waits for tomorrow's test: what real pages meet counts as well."""
    desk.refusing.add("oncall")
    await desk.fail(400)
    await desk.tick()
    await Alarm(desk.bench.database, desk.pager).judge()
    assert (await verdict(desk)).nobody == ("oncall",)


async def test_the_day_asks_for_a_test_by_itself(desk: Desk) -> None:
    """Once the pager has run for a while, and every 24 hours; not before and not twice."""
    alarm = Alarm(desk.bench.database, desk.pager)
    await alarm.tick()
    assert desk.pages == []
    await desk.bench.admin.execute(
        "insert into pulse (name, first_at) values ('page', clock_timestamp() - interval '1 hour')"
    )
    await alarm.tick()
    first = len(desk.pages)
    await alarm.tick()
    assert first == len(desk.pages) == 4
    await desk.bench.advance(timedelta(hours=25))
    await alarm.tick()
    assert len(desk.pages) == 8


async def test_a_gap_of_the_schedule_is_an_incident(desk: Desk) -> None:
    """A rotation that ends within a day without another one."""
    noor = await person(desk, "Noor", "noor")
    await rota(desk, noor, noor)
    await Alarm(desk.bench.database, desk.pager).judge()
    assert await rules(desk) == {}
    await desk.bench.admin.execute("update oncall_layer set ends_on = starts_on + 1")
    await Alarm(desk.bench.database, desk.pager).judge()
    assert await rules(desk) == {"house.oncall_gap": False}


async def test_a_verdict_that_is_old_is_none(desk: Desk) -> None:
    """Whoever judged has fallen silent: that is said, whatever the verdict was."""
    await Alarm(desk.bench.database, desk.pager).judge()
    await desk.bench.admin.execute(
        "update alarm_state set checked_at = clock_timestamp() - interval '10 min'"
    )
    assert (await verdict(desk)).words.startswith(
        "Nobody can be paged: the worker, which pages, has been"
    )


async def test_each_rule_of_the_house_has_a_page_whose_queries_run(desk: Desk) -> None:
    """What to do stands in it, and its diagnosis is SQL that an on-call engineer may run."""
    books = load_runbooks(list(discover_rooms().values()), None)
    assert {issue.id for issue in books.house} == set(HOUSE_RULES)
    for rule_id in HOUSE_RULES:
        issue = books.house_issue(rule_id)
        assert issue is not None
        assert issue.resolution
        for check in issue.diagnosis:
            async with desk.bench.database.as_oncall() as connection:
                await connection.fetch(check.run.rstrip(";"))
