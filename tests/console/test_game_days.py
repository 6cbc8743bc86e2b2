"""Game days on the console: held, watched, ended, and their report taken away."""

from __future__ import annotations

import json

import pytest

from mentalspace.workflows.game_day import from_json, verify_day
from tests.console.stage import Stage, write_game_day
from tests.console.test_doors import _csrf, visitor


async def test_one_is_held_and_ended_from_the_console(stage: Stage) -> None:
    """In the name of who pressed it; ending it is a wish that whoever holds it follows."""
    async with visitor(stage, "oncall") as http:
        form = {"csrf": await _csrf(http), "room": "sms", "traffic": "12", "anyway": "yes"}
        async with http.post("/game-days", data=form) as answer:
            text = await answer.text()
            game_day = answer.url.path.rpartition("/")[2]
        assert stage.game_days == [("Noor Haddad", ["sms"], 12.0)]
        assert "Under way" in text
        assert "2 of 2 have ended, 1 did not hold" in text
        async with http.get(f"/game-days/{game_day}/game-day-{game_day[3:]}.pdf") as answer:
            assert answer.status == 404
        async with http.post(f"/game-days/{game_day}/stop", data=form) as answer:
            assert "It is being ended" in await answer.text()
        for traffic in ("many", "-1", "nan"):
            async with http.post("/game-days", data={**form, "traffic": traffic}) as answer:
                assert answer.status == 403
                assert "from 0 to 600" in await answer.text()
        assert len(stage.game_days) == 1
        async with http.get("/game-days") as answer:
            assert '<option value="house">the house itself</option>' in await answer.text()
        async with http.post("/game-days", data={**form, "room": "house"}):
            assert stage.game_days[1:] == [("Noor Haddad", ["house"], 12.0)]
        async with http.post("/game-days", data={**form, "room": "attic"}) as answer:
            assert answer.status == 404
    assert len(stage.game_days) == 2
    assert await stage.owner.fetchval("select stop_wanted from game_day where id = $1", game_day)


async def test_its_report_is_what_the_chain_holds(stage: Stage) -> None:
    """Three files; the JSON verifies, the others name its head, and say what did not hold."""
    game_day = await write_game_day(stage, ended=True)
    name = f"/game-days/{game_day}/game-day-{game_day[3:]}"
    async with visitor(stage, "oncall") as http:
        async with http.get(f"{name}.json") as answer:
            day = from_json(await answer.text())
        async with http.get(f"{name}.html") as answer:
            html = await answer.text()
            assert "attachment" in answer.headers["content-disposition"]
        async with http.get(f"{name}.pdf") as answer:
            assert (await answer.read()).startswith(b"%PDF-")
        async with http.get(f"/game-days/{game_day}") as answer:
            page = await answer.text()
    async with stage.services.database.as_oncall() as connection:
        assert (await verify_day(connection, day)).holds
    assert day.head in html
    for text in (html, page):
        assert "1 of 2 planned drills ran and held; 1 failed." in text
        assert "164.308(a)(7)(ii)(D)" in text
    assert "house/second_factor failed" in html
    assert "mentalspace drill house/second_factor" in html


@pytest.mark.parametrize("who", ["biller", "frontdesk"])
async def test_others_have_no_game_days(stage: Stage, who: str) -> None:
    """Neither the pages nor the files."""
    game_day = await write_game_day(stage, ended=True)
    async with visitor(stage, who) as http:
        for path in ("", f"/{game_day}", f"/{game_day}/game-day-{game_day[3:]}.json"):
            async with http.get(f"/game-days{path}") as answer:
                assert answer.status == 403


async def test_a_case_says_when_it_was_last_proven(stage: Stage) -> None:
    """With the drill and its evidence; whether its text has changed since is said as well."""
    await write_game_day(stage)
    path = "/runbook/email.unauthorized"
    async with visitor(stage, "oncall") as http:
        async with http.get(path) as answer:
            text = await answer.text()
        assert "email/<wbr>invalid_<wbr>api_<wbr>key" in text
        assert "Holds" in text
        changed = json.dumps({"email.unauthorized": "another text's"})
        await stage.owner.execute("update drill_run set revision = $1::text::jsonb", changed)
        async with http.get(path) as answer:
            assert "changed since" in await answer.text()
        async with http.get("/runbook/email.rate_limited") as answer:
            assert "Never proven here" in await answer.text()
        async with http.get("/drills") as answer:
            assert "cases and alarm rules are not proven here" in await answer.text()


async def test_one_in_trouble_is_asked_for_twice(stage: Stage) -> None:
    """The page says what is broken already and keeps what was given; whoever means it ticks so."""
    async with visitor(stage, "oncall") as http:
        form = {"room": "email", "traffic": "12", "csrf": await _csrf(http)}
        async with http.post("/game-days", data=form) as answer:
            text = await answer.text()
        assert answer.status == 422
        assert "It has not begun: not all is well before it: email: " in text
        assert 'value="12"' in text
        assert stage.game_days == []
        async with http.post("/game-days", data={**form, "anyway": "yes"}) as answer:
            assert answer.status == 200
    assert stage.game_days == [("Noor Haddad", ["email"], 12.0)]
