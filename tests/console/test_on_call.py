"""On call, tickets and the red line: who has it, who takes over, what waits, and when nobody can be
paged."""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import UUID

from mentalspace.engine.channel_state import note_heartbeat
from mentalspace.engine.house_alert import hold
from mentalspace.engine.incident_task import open_tasks
from mentalspace.kernel.case import Severity
from tests.console.stage import Stage, serving
from tests.console.test_doors import _csrf, visitor


async def test_the_schedule_is_shown_and_handed_over(stage: Stage) -> None:
    """Four weeks with everybody's turns; an on-call engineer gives one away and takes it back, and
    an administrator only looks."""
    async with visitor(stage, "oncall") as http:
        async with http.get("/on-call") as page:
            text = await page.text()
        assert page.status == 200
        assert all(name in text for name in ("Noor Haddad", "Theo Lindqvist", "Marisol Vega"))
        assert text.count('<td role="cell" data-label=') == 28
        assert "json://" not in text
        layer = re.search(r'<option value="([^"]+)" selected>On-call engineer, first', text)
        person = re.search(r'<option value="([^"]+)">Marisol Vega', text)
        assert layer and person
        form = {
            "csrf": await _csrf(http), "layer": layer[1], "person": person[1],
            "starts": "2020-01-01T00:00", "ends": "2020-01-01T00:00", "reason": "Dentist",
        }  # fmt: skip
        async with http.post("/on-call/overrides", data=form) as answer:
            assert (answer.status, "ends after it begins" in await answer.text()) == (422, True)
        now = await stage.owner.fetchval("select app.now()")
        form |= {"starts": f"{now:%Y-%m-%dT00:00}+00:00", "ends": f"{now:%Y-%m-%d}T23:59+00:00"}
        async with http.post("/on-call/overrides", data=form) as answer:
            text = await answer.text()
        assert (answer.status, "Dentist" in text, "By an override" in text) == (200, True, True)
        override = await stage.owner.fetchval("select id from oncall_override")
        csrf = {"csrf": form["csrf"]}
        async with http.post(f"/on-call/overrides/{override}/end", data=csrf) as answer:
            assert "Dentist" not in await answer.text()
    async with visitor(stage, "admin") as http:
        async with http.get("/on-call") as page:
            assert "/on-call/overrides" not in await page.text()
        async with http.post("/on-call/overrides", data={"csrf": await _csrf(http)}) as answer:
            assert answer.status == 403


async def test_when_nobody_can_be_paged_every_page_says_so(stage: Stage) -> None:
    """In red, to whoever works here, on every page and in its refreshes; to no client."""
    broken = (
        "update alarm_state set nobody = '{oncall}', broken = '{\"Noor Haddad, Apprise (json)\"}',"
        " checked_at = clock_timestamp()"
    )
    await stage.owner.execute(broken)
    said = "Nobody can be paged: oncall (Noor Haddad, Apprise (json))."
    for who, paths in (
        ("oncall", ("/", "/on-call", "/incidents", "/messages?fragment=1")),
        ("frontdesk", ("/morning", "/tasks", "/clients")),
    ):
        async with visitor(stage, who) as http:
            for path in paths:
                async with http.get(path) as page:
                    assert said in await page.text(), path
    async with stage.services.database.as_dispatcher() as connection:
        found = {"oncall": "Nobody can be paged: oncall"}
        escalation = stage.services.runbooks.escalation
        assert await hold(connection, escalation, "house.nobody_paged", found) == 1
    incident = await stage.owner.fetchval("select id from incident where integration = 'house'")
    async with visitor(stage, "oncall") as http:
        for path in ("/", "/incidents", f"/incidents/{incident}"):
            async with http.get(path) as page:
                said = await page.text()
                assert (page.status, "Nobody can be paged: oncall" in said) == (200, True), path
    # Of the house: no provider is blamed, and what is late meanwhile is another incident's.
    assert "A part of the house itself; no provider is asked" in said
    assert "Last good call" not in said
    assert "This rule counts no message that failed" in said
    await stage.owner.execute("update alarm_state set nobody = '{}', broken = '{}'")
    async with visitor(stage, "oncall") as http, http.get("/tickets") as page:
        assert "Nobody can be paged" not in await page.text()


async def test_a_test_of_the_alarm_is_asked_for(stage: Stage) -> None:
    """The button leaves a wish for the pager; the page says that it is on its way."""
    async with visitor(stage, "oncall") as http:
        data = {"csrf": await _csrf(http)}
        async with http.post("/on-call/test", data=data) as answer:
            assert "is on its way" in await answer.text()
    assert await stage.owner.fetchval("select asked_by from alarm_test") == "Noor Haddad"


async def test_what_the_outside_service_answers_is_shown(stage: Stage) -> None:
    """Not set, never called, refused, taken: under "Does the alarm work?", never the address."""
    address = "https://hc.example/ping/secret"
    settings = replace(stage.services.settings, heartbeat_url=address)
    async with visitor(stage, "oncall") as http, http.get("/on-call") as page:
        assert "From outside nobody listens." in await page.text()
    async with serving(replace(stage.services, settings=settings)) as url:
        other = replace(stage, url=url)
        async with visitor(other, "oncall") as http:
            for error, said in (
                (None, "has not been called yet"),
                ("it answered 404", "does not take our call:</b> it answered 404, since"),
                ("", "The outside service took our call"),
            ):
                if error is not None:
                    async with stage.services.database.as_dispatcher() as connection:
                        await note_heartbeat(connection, error or None)
                async with http.get("/on-call") as page:
                    text = await page.text()
                assert said in text
                assert address not in text


async def test_a_ticket_waits_until_a_person_closes_it(stage: Stage) -> None:
    """It stands under Tickets and on its incident; closed, it says what was done."""
    rung = stage.services.runbooks.escalation.rung(Severity.MEDIUM)
    async with stage.services.database.as_dispatcher() as connection:
        await open_tasks(connection, stage.incident, rung, "Mails are slow", None)
    ticket: UUID = await stage.owner.fetchval("select id from incident_task where kind = 'ticket'")
    async with visitor(stage, "oncall") as http:
        async with http.get("/tickets") as page:
            assert "Mails are slow: Schedule fix in next sprint" in await page.text()
        async with http.get(f"/incidents/{stage.incident}") as page:
            assert "Ticket: Mails are slow" in await page.text()
        data = {"csrf": await _csrf(http), "note": "index added"}
        async with http.post(f"/tickets/{ticket}/close", data=data) as answer:
            assert "No ticket is open" in await answer.text()
        async with http.get("/tickets?state=done") as page:
            assert "index added" in await page.text()
