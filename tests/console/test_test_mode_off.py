"""A credential left in test mode: its incident's button says what it would do, and does it once."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from playwright.async_api import Browser, expect

from tests.console.stage import Stage, walk
from tests.console.test_another_cause import _new, _open
from tests.console.test_doors import _csrf as csrf_of
from tests.console.test_doors import visitor
from tests.console.test_group import _credential_of
from tests.console.test_pages import _WCAG, overflow, signed_in, violations

pytestmark = [pytest.mark.database]


_WAIT = """
insert into delivery (practice_id, lane_id, credential_id, integration, kind, recipient_key,
                      idempotency_key, due_at, traceparent)
select l.practice_id, l.id, l.credential_id, 'email', 'reminder', 'key-' || n, 'test-mode-' || n,
       app.now() + case n when 1 then interval '-1 min' else interval '3 h' end, '00-0-0-00'
  from lane l, generate_series(1, 2) n
 where l.credential_id = $1 and l.class = 'bulk'
"""


async def _left_on(stage: Stage) -> tuple[UUID, UUID]:
    """One is refused, one is due, one falls due in three hours, each another person's."""
    credential = await _credential_of(stage, stage.lakeside)
    await stage.owner.execute("update credential set test_only = true where id = $1", credential)
    await stage.owner.execute(
        "insert into audit (practice_id, actor, action, data) values"
        " ($1, 'noor (command line)', 'test_mode_begun', '{\"what\": \"email resend\"}')",
        stage.lakeside,
    )
    rows = await stage.owner.fetch(
        "select id from delivery where credential_id = $1 and status = 'pending' order by id",
        credential,
    )
    await stage.owner.execute(
        "update delivery set due_at = app.now() + interval '3 days', expires_at = null"
        " where credential_id = $1",
        credential,
    )
    await walk(stage.owner, rows[0]["id"], "refused", last_case="email.test_mode")
    await stage.owner.execute(_WAIT, credential)
    begun = {"at": "2026-11-29T08:15:00+00:00", "by": "noor (command line)", "by_hand": True}
    new = _new(credential, stage.lakeside, "email.refused_here", "email.test_mode", test_mode=begun)
    return credential, await _open(stage, new)


async def test_the_button_says_what_leaves_and_switches_it_off_once(stage: Stage) -> None:
    """How many, to how many and when; without a reason nothing; who and why in timeline and audit;
    what was refused stays so, and a second press is told that it is done."""
    credential, incident = await _left_on(stage)
    where = f"/incidents/{incident}"
    async with visitor(stage, "oncall") as http:
        csrf = {"csrf": await csrf_of(http)}
        assert 'id="act-test_mode_off"' in await _read(http, where)
        page = await _read(http, f"{where}/acts/test_mode_off")
        assert re.search(
            r"2 messages to 2 people would leave by it in the next 24 hours: 1 at once,"
            r" 1 from \d\d:00 UTC on\.",
            page,
        )
        assert "Nothing is sent again to the 1 person refused in the last 24 hours" in page
        assert "UTC by noor (command line), who can say whether it is meant" in page
        for reason, status, left_on in (("", 409, True), ("it was forgotten", 200, False)):
            form = {**csrf, "reason": reason}
            async with http.post(f"{where}/acts/test_mode_off", data=form) as answer:
                assert (answer.status, await _is_on(stage, credential)) == (status, left_on)
        async with http.post(f"{where}/acts/test_mode_off", data=form) as answer:
            assert answer.status == 409
            assert "Test mode is off already" in await answer.text()
        page, fleet = await _read(http, where), await _read(http, "/")
    assert "Test mode switched off: it was forgotten" in page
    assert 'id="act-test_mode_off"' not in page
    assert "Test mode is off again: what falls due goes out" in page
    assert "Test mode switched off" in fleet
    assert "Let everybody be reached again" not in fleet
    refused = "select count(*) from delivery where credential_id = $1 and status = 'refused'"
    assert await stage.owner.fetchval(refused, credential) == 1
    noted = await stage.owner.fetch(
        "select action from audit where practice_id = $1"
        " and action in ('test_mode_ended', 'incident.test_mode_off')",
        stage.lakeside,
    )
    assert {row["action"] for row in noted} == {"test_mode_ended", "incident.test_mode_off"}


@pytest.mark.browser
async def test_it_is_switched_off_by_whoever_opens_the_incident(
    stage: Stage, browser: Browser
) -> None:
    """Recommended at the top, in two steps, and for everybody who reads pages otherwise."""
    _credential, incident = await _left_on(stage)
    async with signed_in(browser, stage, "oncall") as page:
        await page.goto(f"{stage.url}/incidents/{incident}")
        await page.get_by_role("link", name="Switch test mode off").click()
        await expect(page.get_by_role("heading", name="Switch test mode off?")).to_be_visible()
        assert await violations(page, _WCAG) == []
        assert await overflow(page) <= 0
        await page.get_by_label("Why").fill("it was forgotten")
        await page.get_by_role("button", name="Switch test mode off").click()
        await expect(page.get_by_role("status").first).to_contain_text("Test mode is off")


async def test_only_who_may_act_switches_it(stage: Stage) -> None:
    """Nor is there anything to switch where no such incident is."""
    credential, incident = await _left_on(stage)
    async with visitor(stage, "frontdesk") as http:
        form = {"csrf": await csrf_of(http), "reason": "x"}
        async with http.post(f"/incidents/{incident}/acts/test_mode_off", data=form) as answer:
            assert answer.status in (403, 404)
    assert await _is_on(stage, credential)
    nowhere = f"/incidents/{UUID(int=7)}/acts/test_mode_off"
    async with visitor(stage, "oncall") as http, http.get(nowhere) as answer:
        assert answer.status == 404


async def _is_on(stage: Stage, credential: UUID) -> bool:
    found: bool = await stage.owner.fetchval(
        "select test_only from credential where id = $1", credential
    )
    return found


async def _read(http: Any, path: str) -> str:
    async with http.get(path) as answer:
        text = await answer.text()
        assert answer.status == 200, text
        return re.sub(r"<time[^>]*>([^<]*)</time>", r"\1", text)
