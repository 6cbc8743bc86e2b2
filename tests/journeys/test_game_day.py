"""Game days against a running house: measured, written down, verified, and ended early."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mentalspace.cli.drill import background_line
from mentalspace.drills.background import Fared, ordinary_text
from mentalspace.drills.game_day import GameDay, Plan
from mentalspace.engine.db import connect_owner
from mentalspace.engine.house_alert import hold as hold_alarm
from mentalspace.engine.proof import last_proven
from mentalspace.integrations.sms.model import guard
from mentalspace.kernel.errors import Refused
from mentalspace.workflows.game_day import (
    Day,
    find_day,
    from_json,
    to_json,
    verify_day,
    verify_file,
)
from tests.house import House, until

PLANNED = ["email/invalid_api_key", "sms/invalid_number_refused_locally", "house/second_factor"]


async def hold(house: House, plan: Plan) -> tuple[GameDay, list[str]]:
    said: list[str] = []
    day = GameDay(house.services, plan, said.append)
    await day.open()
    await day.hold()
    return day, said


async def read(house: House, game_day: str) -> Day:
    async with house.services.database.as_oncall() as connection:
        day = await find_day(connection, game_day)
    assert day is not None
    return day


def test_no_game_days_name_keeps_its_texts_from_leaving() -> None:
    """One of digits alone reads like an identity number, and is none."""
    for name in ("gd-87557129", "gd-ea174748", "gd-03081721"):
        assert guard(ordinary_text(name, 17).to_bytes()) is None


async def test_a_game_day_is_measured_and_written_down(house: House, tmp_path: Path) -> None:
    """Every drill has its journal and its times, ordinary traffic goes on untouched, the indicators
    count none of it, and the report is found out wherever it is changed."""
    held, said = await hold(house, Plan("Noor", PLANNED, per_minute=240))
    day = await read(house, held.id)
    assert day.all_well, day.closed
    assert len(said) == 3
    run = next(run for run in day.runs if run["drill"] == "email/invalid_api_key")
    assert [step["step"] for step in run["journal"]] == [
        "steady_before", "inject", "act", "expected", "observed", "rollback", "rollback",
        "recovered", "after",
    ]  # fmt: skip
    instants = ("began_at", "injected_at", "detected_at", "healed_at", "recovered_at")
    assert sorted(run[name] for name in instants) == [run[name] for name in instants]
    assert set(run["signs"]) == {"case", "incident", "page"}
    assert run["proved"] == ["email.credential_refused", "email.unauthorized"]
    assert day.closed is not None
    background = day.closed["background"]
    assert background["sent"] == background["arrived"] > 0
    assert (background["lost"], background["twice"], background["incidents"]) == (0, 0, 0)
    email = day.closed["indicators"]["email"]
    assert email["of_drills"] > 0
    assert email["counted"] == email["ordinary"] > 0
    async with house.services.database.as_oncall() as connection:
        proof = await last_proven(connection, "email.unauthorized")
        assert proof is not None
        assert (proof.chain, proof.run_id) == (day.id, run["run"])
        assert (await verify_day(connection, day)).holds
        changed = _changed(day, run["run"])
        assert not verify_file(changed).holds
        altered = (await verify_day(connection, changed)).altered
    again, _said = await hold(house, Plan("Noor", PLANNED[1:2], per_minute=240))
    later = await read(house, again.id)
    assert later.all_well, later.closed
    assert later.opened["before"]["hash"] == day.head
    assert any("time_to_detect_s was" in line and "says 0.01" in line for line in altered)


def _changed(day: Day, run_id: str) -> Day:
    values: dict[str, Any] = json.loads(to_json(day))
    for entry in values["entries"]:
        if entry["record"].get("run") == run_id:
            entry["record"]["time_to_detect_s"] = 0.01
    return from_json(json.dumps(values))


async def test_a_game_day_that_is_stopped_heals_and_says_what_ran(house: House) -> None:
    """A drill that fails stops nothing; one that is cut off is healed; the rest is named."""
    fault = {"room": "sms", "provider": "twilio", "kind": "status", "http": 503}
    await house.sandbox("POST", "/faults", fault)
    rooms = ["email/rate_limit_kept_by_our_limiter", "sms/invalid_token"]
    day = GameDay(house.services, Plan("Noor", rooms, per_minute=0), lambda _line: None)
    await day.open()
    holding = asyncio.create_task(day.hold())
    await until(lambda: _has_failed(day), within_s=60)
    day.stop.set()
    await holding
    found = await read(house, day.id)
    assert found.closed is not None
    assert found.flaws == []
    assert [run["drill"] for run in found.failed] == ["sms/invalid_token"]
    assert "the steady state before it" in found.failed[0]["missing"]
    assert [run["drill"] for run in found.interrupted] == ["email/rate_limit_kept_by_our_limiter"]
    assert found.closed["ended_early"] == "it was stopped"
    left = [f for f in await house.sandbox("GET", "/faults") if f["account"] is not None]
    assert left == []
    async with house.services.database.as_oncall() as connection:
        active = await connection.fetchval(
            "select count(*) from credential where drill is not null and active"
        )
    assert active == 0


async def test_a_game_day_does_not_begin_in_trouble(house: House) -> None:
    """An incident of the house's own would be taken for a drill's; whoever means it says so, and
    it stands in the first entry. While it goes on, its chain holds so far."""
    async with house.services.database.as_dispatcher() as connection:
        escalation = house.services.runbooks.escalation
        found = {"any": "The worker starts again and again"}
        await hold_alarm(connection, escalation, "house.restarts", found)
    plan = Plan("Noor", ["house/worker_restarts"], per_minute=0)
    with pytest.raises(Refused, match="not all is well before it: house: The worker starts"):
        await GameDay(house.services, plan, lambda _line: None).open()
    day = GameDay(house.services, replace(plan, anyway=True), lambda _line: None)
    await day.open()
    under_way = await read(house, day.id)
    assert under_way.opened["beside"] == ["house: The worker starts again and again"]
    async with house.services.database.as_oncall() as connection:
        verdict = await verify_day(connection, under_way)
    assert (verdict.holds, verdict.under_way) == (True, True)
    async with connect_owner(house.services.admin_url) as owner:
        await owner.execute("update game_day set beat_at = beat_at - interval '2 minutes'")
    async with house.services.database.as_oncall() as connection:
        abandoned = await verify_day(connection, under_way)
    assert (abandoned.holds, abandoned.under_way) == (False, False)
    assert any("the end is missing" in line for line in abandoned.altered)
    await day.hold()
    ended = await read(house, day.id)
    async with house.services.database.as_oncall() as connection:
        assert (await verify_day(connection, ended)).holds


def test_how_long_it_took_is_said_of_those_that_arrived() -> None:
    """Thirteen within half a second are not twenty-five."""
    fared = Fared(sent=25, arrived=13, under_way=12, waited_s=(0.1, 0.5, 0.6)).public()
    assert background_line(fared) == (
        "background: 25 sent, 13 arrived, 12 still under way, 0 lost, 0 twice; of those that"
        " arrived 95 of 100 within 0.5 s"
    )
    assert "within" not in background_line(Fared(sent=25, under_way=25).public())


async def _has_failed(day: GameDay) -> bool:
    return any(not result.passed for result in day.results)
