"""Whom an incident touches: of the house everybody who waits, of a share only what it counts."""

from __future__ import annotations

import re
from uuid import UUID

from mentalspace.engine.house_alert import hold
from tests.console.stage import Stage, succeed
from tests.console.test_doors import NAMES, visitor
from tests.console.test_group import _big


async def _read(stage: Stage, incident: UUID) -> str:
    async with visitor(stage, "oncall") as http, http.get(f"/incidents/{incident}") as answer:
        return await answer.text()


async def test_an_incident_of_the_house_counts_who_waits_in_all_practices(stage: Stage) -> None:
    """People, messages, practices and the first appointment are of whatever is due and has not
    left, as the fleet has them; once all of it left late, that is said; with nobody touched, no
    draft says that messages are late."""
    escalation = stage.services.runbooks.escalation
    async with stage.services.database.as_dispatcher() as connection:
        await hold(connection, escalation, "house.loop_silent", {"worker": "The worker is silent"})
    incident = await stage.owner.fetchval("select id from incident where integration = 'house'")
    calm = await _read(stage, incident)
    await stage.owner.execute(
        "update incident set since = app.now() - interval '20 min' where id = $1", incident
    )
    due = await stage.owner.fetch(
        "update delivery set due_at = app.now() - interval '10 min', next_attempt_at = app.now()"
        " where status = 'pending' and integration = 'email' returning id,"
        " practice_id, subject_id, recipient_key"
    )
    people, practices = len({d["recipient_key"] for d in due}), len({d["practice_id"] for d in due})
    assert practices == 2
    page = await _read(stage, incident)
    assert int(_big(page, "people").split()[0]) >= people
    assert "in 2 practices; the oldest was due 10 min ago" in page
    assert _big(page, "next").startswith("in ")
    assert int(re.findall(r"<b>(\d+)</b> waiting, kept", page)[0]) >= len(due)
    assert "some messages to clients are late" in page
    assert not [name for name in NAMES if name in page]
    await stage.owner.execute(
        "update delivery set status = 'cancelled' where status = 'pending' and due_at <= app.now()"
        " and id <> $1",
        due[0]["id"],
    )
    await succeed(stage.owner, due[0]["id"])
    await stage.owner.execute(
        "update delivery set accepted_at = app.now() where id = $1", due[0]["id"]
    )
    late = await _read(stage, incident)
    assert _big(late, "people") == "1 person" and "1 message left late" in late
    assert _big(late, "next") == "None"
    assert "No message is late so far." in calm or "messages to clients are late" in calm
