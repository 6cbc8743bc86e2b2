"""An incident's page: what a button would do, what was found at opening, what may be told."""

from __future__ import annotations

import re

from tests.console.stage import Stage
from tests.console.test_doors import _csrf, visitor


async def test_a_button_says_first_what_it_would_do(stage: Stage) -> None:
    """Its page counts, asks why and until when, and changes nothing; pressed, the timeline says
    who and why; pressed again, it is refused in words."""
    await stage.owner.execute("update lane set state = 'open', paused_case = null")
    path = f"/incidents/{stage.incident}/acts/pause"
    async with visitor(stage, "oncall") as http:
        async with http.get(f"/incidents/{stage.incident}") as answer:
            assert f'href="{path}"' in await answer.text()
        async with http.get(path) as answer:
            text = await answer.text()
        assert re.search(r"\d+ messages to \d+ people would wait", text)
        assert await _paused(stage) == 0
        data = {"csrf": await _csrf(http), "reason": "their page says so", "minutes": "60"}
        async with http.post(path, data={**data, "reason": ""}) as answer:
            assert answer.status == 409
            assert "Nothing has changed. Say why" in await answer.text()
        assert await _paused(stage) == 0
        async with http.post(path, data=data) as answer:
            text = await answer.text()
        assert "2 lanes paused. What waits is kept." in text
        assert "Pause the lanes, for 1 h: their page says so" in text
        assert await _paused(stage) == 2
        async with http.post(path, data=data) as answer:
            assert answer.status == 409
            assert "paused already, by Noor Haddad until" in await answer.text()


async def test_buttons_are_for_on_call_alone(stage: Stage) -> None:
    """An administrator sees the incident without its buttons, and may press none."""
    await stage.owner.execute("update incident set practice_id = $1", stage.lakeside)
    path = f"/incidents/{stage.incident}/acts/resume"
    async with visitor(stage, "admin") as http:
        async with http.get(f"/incidents/{stage.incident}") as answer:
            assert "/acts/" not in await answer.text()
        async with http.get(path) as answer:
            assert answer.status == 403
        async with http.post(path, data={"csrf": await _csrf(http)}) as answer:
            assert answer.status == 403
    assert await _paused(stage) == 2


async def _paused(stage: Stage) -> int:
    count: int = await stage.owner.fetchval("select count(*) from lane where state = 'paused'")
    return count
