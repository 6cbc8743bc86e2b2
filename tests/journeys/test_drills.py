"""Every drill of every room, against a running house."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from mentalspace.drills.run import run_drill, run_drills
from mentalspace.drills.steady import Steady
from mentalspace.engine.db import connect_owner
from mentalspace.engine.proof import all_proven, gaps
from mentalspace.engine.runbook import HOUSE
from mentalspace.engine.runbook.rehearsal import RehearsalStep
from mentalspace.integrations import room_names
from tests.house import House


@pytest.mark.timeout(400)
@pytest.mark.parametrize("room", [HOUSE, *room_names()])
async def test_every_drill_passes_and_proves_its_cases(house: House, room: str) -> None:
    """Each drill shows what it promises, and each case it names was really met."""
    runbooks = house.services.runbooks
    drills = {drill.id: drill for drill in runbooks.drills}
    every = {*drills, *(rehearsal.id for rehearsal in runbooks.rehearsals)}
    wanted = sorted(drill for drill in every if drill.startswith(f"{room}/"))
    results = await run_drills(house.services, wanted, lambda _line: None)
    assert sorted(result.id for result in results) == wanted != []
    for result in results:
        assert result.passed, f"{result.id}: {json.dumps(result.observed, indent=1)}"
        if result.id in drills:
            seen = {case for phase in result.observed.values() for case in phase["cases"]}
            assert seen.issuperset(drills[result.id].cases), result.id
    if room == HOUSE:
        async with house.services.database.as_oncall() as connection:
            unproven = gaps(runbooks, await all_proven(connection), house.services.clock.now())
        assert [gap.subject for gap in unproven if gap.subject.startswith("house.")] == []


async def test_a_house_drill_that_fires_nothing_proves_nothing(house: House) -> None:
    """What it shows may be as promised: without an incident of its rule the drill has failed."""
    rehearsal = next(
        each for each in house.services.runbooks.rehearsals if each.id == "house/worker_restarts"
    )
    calm = replace(rehearsal, steps=rehearsal.steps[:1])
    result = await run_drill(house.services, calm, "calm")
    assert result.observed["missing"] == ["house.restarts did not fire"]
    async with house.services.database.as_oncall() as connection:
        assert await all_proven(connection) == {}


async def test_several_providers_are_looked_at_in_one_moment(house: House) -> None:
    """Before drills of several begin together, each has a healthy account of its own."""
    steady = Steady(house.services, "together")
    wanted = [("email", None), ("email", "smtp"), ("sms", None)]
    looks = await asyncio.gather(*(steady.before(*each) for each in wanted))
    await steady.close()
    assert [look.text for look in looks if not look.held] == []


async def test_a_drill_leaves_nothing_behind(house: House) -> None:
    """Afterwards no fault, no open incident and no page but the drill's; it is kept apart."""
    await run_drills(house.services, ["email/invalid_api_key"], lambda _line: None)
    assert await house.sandbox("GET", "/faults") == []
    [incident] = await house.incidents()
    assert incident["status"] == "resolved"
    assert incident["drill"] is not None
    assert {page["target"] for page in await house.sandbox("GET", "/pages")} == {"drill"}
    async with house.services.database.as_oncall() as connection:
        unmarked = await connection.fetchval("select count(*) from delivery where drill is null")
    assert unmarked == 0


async def test_a_rehearsal_says_what_went_otherwise(house: House) -> None:
    """A step that ends otherwise than promised fails the drill, and so does what builds on one
    that could not be done; the made-up colleague is gone afterwards."""
    rehearsal = next(
        each for each in house.services.runbooks.rehearsals if each.id == "house/second_factor"
    )
    after = rehearsal.steps[0]
    for step, missing in (
        (RehearsalStep("log_in_with_the_password_alone", "asked for a code"), 1),
        (RehearsalStep("log_in_with_a_recovery_code", "signed in"), 2),
    ):
        result = await run_drill(
            house.services, replace(rehearsal, steps=(step, after)), f"run-{missing}"
        )
        assert not result.passed
        assert result.observed["missing"] == [step.do, after.do][:missing]
    async with connect_owner(house.services.admin_url) as owner:
        active = await owner.fetchval(
            "select count(*) from app_user where active and email like '%@drill.example'"
        )
    assert active == 0


async def test_a_failing_drill_says_what_is_missing(house: House) -> None:
    """One that promises what does not come fails and says so; with the whole provider down it does
    not even begin, for what is broken already would be taken for what it breaks."""
    drill = house.services.runbooks.room("email").drill("invalid_api_key")
    other = replace(
        drill,
        timeout_s=8,
        expect=replace(drill.expect, case="email.rate_limited"),
        recovered=replace(drill.recovered, accepted=7),
    )
    result = await run_drill(house.services, other, "failing")
    assert not result.passed
    assert result.observed["missing"] == ["case", "recovered: accepted"]
    fault = {"room": "email", "provider": "resend", "kind": "status", "http": 503}
    await house.sandbox("POST", "/faults", fault)
    result = await run_drill(house.services, drill, "not begun")
    assert result.observed == {"missing": ["the steady state before it"]}
