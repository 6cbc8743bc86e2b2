"""An incident's page: what a button would do, what was found at opening, what may be told."""

from __future__ import annotations

import html
import re

import aiohttp

from mentalspace.engine.channel import Channel, Message, Senders
from mentalspace.engine.pager import Pager
from mentalspace.workflows.evidence import attach_evidence
from tests.console.stage import Stage
from tests.console.test_doors import NAMES, _csrf, visitor


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
        async with http.get(f"/incidents/{stage.incident}/post-mortem.md") as answer:
            assert answer.status == 403
    assert await _paused(stage) == 2


async def _paused(stage: Stage) -> int:
    count: int = await stage.owner.fetchval("select count(*) from lane where state = 'paused'")
    return count


async def test_what_was_found_at_opening_stands_beside_what_is_now(stage: Stage) -> None:
    """Attached once by a worker, as on-call; kept when the rows change; on-call alone reads it."""
    assert await attach_evidence(stage.services) == 1
    assert await attach_evidence(stage.services) == 0
    kept = await stage.owner.fetch("select * from incident_evidence order by place")
    assert {row["kind"] for row in kept} == {"status_page", "query"}
    assert kept[0]["problem"]  # no sandbox stands behind this stage
    async with visitor(stage, "oncall") as http:
        async with http.get(f"/incidents/{stage.incident}") as answer:
            text = await answer.text()
        assert "As it was when the incident opened" in text
        assert "<p>The same.</p>" in text
        await stage.owner.execute("update appointment_notifications set status = 'failed'")
        async with http.get(f"/incidents/{stage.incident}") as answer:
            changed = await answer.text()
        assert changed.count("<p>The same.</p>") < text.count("<p>The same.</p>")
        assert not [name for name in NAMES if name in changed]
    await stage.owner.execute("update incident set practice_id = $1", stage.lakeside)
    async with visitor(stage, "admin") as http, http.get(f"/incidents/{stage.incident}") as answer:
        text = await answer.text()
    assert "Diagnosis" in text
    assert "As it was when the incident opened" not in text


async def test_a_text_is_ready_to_be_posted(stage: Stage) -> None:
    """It says what, since when, how many and the first appointment, and changes with the state;
    nobody's name and nothing of our insides."""
    async with visitor(stage, "oncall") as http:
        text = await _post(http, stage)
        assert text.startswith("E-mails to clients (Investigating)")
        assert re.search(
            r"5 clients touched so far: 5 not reached yet; first appointment \d\d:\d\d", text
        )
        path, data = f"/incidents/{stage.incident}/acknowledge", {"csrf": await _csrf(http)}
        async with http.post(path, data=data):
            pass
        text = await _post(http, stage)
        assert "(Identified)" in text
        assert "The cause is on our side" in text
        await stage.owner.execute("update incident set recovered_at = app.now()")
        assert "We are watching it." in await _post(http, stage)
        path = f"/incidents/{stage.incident}/resolve"
        async with http.post(path, data=data):
            pass
        text = await _post(http, stage)
    assert "(Resolved)" in text
    assert not [word for word in (*NAMES, "Resend", "403", "lane", "breaker") if word in text]


async def _post(http: aiohttp.ClientSession, stage: Stage) -> str:
    async with http.get(f"/incidents/{stage.incident}") as answer:
        found = re.search(r'<pre class="post" id="status-text">([^<]*)</pre>', await answer.text())
    assert found
    return found[1]


async def test_an_incident_is_taken_away_as_a_post_mortem(stage: Stage) -> None:
    """From detection to resolution, with its evidence and its runbook's version, blanks for people
    and no name; as Markdown and as PDF."""
    await attach_evidence(stage.services)
    async with visitor(stage, "oncall") as http:
        async with http.get(f"/incidents/{stage.incident}/post-mortem.md") as answer:
            text = await answer.text()
            assert answer.headers["content-disposition"].startswith("attachment")
        async with http.get(f"/incidents/{stage.incident}/post-mortem.pdf") as answer:
            pdf = await answer.read()
        async with http.get(f"/incidents/{stage.lakeside}/post-mortem.md") as answer:
            assert answer.status == 404
    for part in (
        "# Post-mortem: A provider refuses",
        "**Whose:** Ours",
        "5 people touched",
        "To detect",
        "Opened this incident by rule email.credential",
        "Diagnosis, as it was when the incident opened",
        "## For people to write",
    ):
        assert part in text, part
    assert pdf.startswith(b"%PDF-")
    assert not [name for name in NAMES if name in text]


async def test_who_was_woken_is_told_by_name_after_a_hand_over(stage: Stage) -> None:
    """The page, and the post-mortem: each page names whoever had the shift then, the way, and why a
    way was left out; not only the target, which is somebody else's now."""
    first, then = "Noor Haddad, Apprise (json)", "Marisol Vega, Apprise (json)"
    await _everybody_has_the_shift(stage, "Noor Haddad")
    await _page_again(stage)
    await _everybody_has_the_shift(stage, "Marisol Vega")
    await _page_again(stage)
    async with visitor(stage, "oncall") as http:
        async with http.get(f"/incidents/{stage.incident}") as answer:
            page = html.unescape(await answer.text())
        async with http.get(f"/incidents/{stage.incident}/post-mortem.md") as answer:
            paper = (await answer.text()).partition("## Who was paged")[2]
    left_out = "Marisol Vega, our own mail (m…@staff.demo.example): left out, this room is what"
    for text in (page, paper):
        assert text.index(f"{first}: sent") < text.index(f"{then}: sent")
        assert left_out in text


async def _everybody_has_the_shift(stage: Stage, name: str) -> None:
    await stage.owner.execute(
        "update oncall_layer set people = array[(select id from oncall_person where name = $1)]",
        name,
    )


async def _page_again(stage: Stage) -> None:
    """A repeat, which goes every way."""

    async def taken(_channel: Channel, _message: Message) -> str | None:
        return None

    services = stage.services
    senders: Senders = {"apprise": taken, "email": taken, "pagerduty": taken}
    pager = Pager(services.database, services.vault, services.runbooks, {}, "http://x", senders)
    await stage.owner.execute(
        "update incident set next_escalation_at = app.now() where id = $1", stage.incident
    )
    assert await pager.tick()


async def test_a_step_is_done_with_a_note(stage: Stage) -> None:
    """Where the call's address is asked for it can be written: it stands beside the step, in the
    timeline and in the post-mortem."""
    step = await stage.owner.fetchval(
        "select id from incident_task where text like 'Open one call%' and incident_id = $1",
        stage.incident,
    )
    address = "https://meet.demo.example/all-hands"
    said = f"Open one call for everybody, and write its address here: {address}"
    async with visitor(stage, "oncall") as http:
        async with http.get(f"/incidents/{stage.incident}") as answer:
            assert f'<label for="note-{step}">' in await answer.text()
        data = {"csrf": await _csrf(http), "note": address}
        async with http.post(f"/incidents/steps/{step}/done", data=data) as answer:
            page = await answer.text()
        async with http.get(f"/incidents/{stage.incident}/post-mortem.md") as answer:
            paper = await answer.text()
    assert f": {address}</span>" in page
    assert f"Done: {said}" in page
    assert f"Done: {said}" in paper


async def test_a_practices_lanes_are_paused_without_an_incident(stage: Stage) -> None:
    """From the fleet to the credential's page: counted, with a reason and an end, once; resumed by
    the same page; and how a new secret is entered is said. For on-call alone."""
    credential = await stage.owner.fetchval(
        "select id from credential where practice_id = $1 and integration = 'sms'", stage.lakeside
    )
    path = f"/credentials/{credential}"
    async with visitor(stage, "admin") as http, http.get(path) as answer:
        assert answer.status == 403
    async with visitor(stage, "oncall") as http:
        async with http.get("/") as answer:
            assert f'href="{path}"' in await answer.text()
        data = {"csrf": await _csrf(http), "reason": "the words are being mended", "minutes": "60"}
        async with http.post(f"{path}/acts/switch", data=data) as answer:
            assert answer.status == 404
        async with http.post(f"{path}/acts/pause", data={**data, "reason": ""}) as answer:
            assert answer.status == 409
        before = await _paused(stage)
        async with http.post(f"{path}/acts/pause", data=data) as answer:
            text = await answer.text()
        assert await _paused(stage) == before + 2
        assert "Pause the lanes, for 1 h: the words are being mended" in text
        assert "mentalspace credential set sms --practice lakeside" in text
        await stage.owner.execute(
            "update incident set status = 'resolved', resolved_at = app.now(), resolved_by = 'x'"
        )
        async with http.get("/") as answer:
            top, _, cards = (await answer.text()).partition('class="cards"')
            assert "Nothing waits for an on-call engineer" not in top
            assert "Noor Haddad paused it" in top
            assert "Noor Haddad paused it" in cards
        async with http.post(f"{path}/acts/resume", data={**data, "reason": ""}) as answer:
            assert "The lanes run again" in await answer.text()
    assert await _paused(stage) == before
