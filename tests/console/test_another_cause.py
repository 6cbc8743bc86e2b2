"""What came back by another cause, and what test mode refuses, as an incident's page tells it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from mentalspace.console.narrate import narrate
from mentalspace.engine.incidents import NewIncident, open_incident, resolve
from mentalspace.kernel.case import Severity
from tests.console.stage import Stage, walk
from tests.console.test_doors import visitor
from tests.console.test_group import _big, _credential_of


def _new(credential_id: UUID, practice_id: UUID, rule: str, case: str, **facts: Any) -> NewIncident:
    return NewIncident(
        key=f"{rule}:{credential_id}",
        rule_id=rule,
        case_id=case,
        integration="email",
        credential_id=credential_id,
        practice_id=practice_id,
        severity=Severity.HIGH,
        title="Mails fail",
        fault="ours",
        since=datetime.now(UTC) - timedelta(minutes=2),
        facts={"failed_recipients": 5, "provider": "resend", **facts},
        drill=None,
    )


async def _open(stage: Stage, new: NewIncident) -> UUID:
    async with stage.services.database.as_dispatcher() as connection:
        await open_incident(connection, stage.services.runbooks.escalation, new)
    found: UUID = await stage.owner.fetchval(
        "select id from incident where key = $1 and status <> 'resolved'", new.key
    )
    return found


async def _read(stage: Stage, path: str) -> str:
    async with visitor(stage, "oncall") as http, http.get(path) as answer:
        return re.sub(r"<time[^>]*>([^<]*)</time>", r"\1", await answer.text())


async def test_it_says_that_it_is_another_cause_and_what_it_was(stage: Stage) -> None:
    """On its page, in the list and in the timeline, by the cases' titles; not that it is the same
    trouble. Taken apart by case only where one changed."""
    credential_id = await _credential_of(stage, stage.lakeside)
    new = _new(credential_id, stage.lakeside, "email.consecutive_failures", "email.server_error")
    incident = await _open(stage, replace(new, fault="theirs"))
    for case, fault in (("email.server_error", "theirs"), ("email.validation_error", "ours")):
        async with stage.services.database.as_oncall() as connection:
            assert await resolve(connection, incident, "noor")
        assert await _open(stage, replace(new, case_id=case, fault=fault)) == incident
        page = await _read(stage, f"/incidents/{incident}")
        listed = await _read(stage, "/incidents")
        is_same = case == new.case_id
        for text in (page, listed):
            assert ("it is the same trouble" in text) is is_same
            assert ("while it lasted, and it is another cause now, ours: " in text) is not is_same
            assert ("it was theirs: " in text) is not is_same
    titles = [stage.services.runbooks.case(each).title for each in (case, "email.server_error")]
    assert all(title in page and title in listed for title in titles)
    assert "Open again: noor closed it while it lasted. Another cause, and it is ours" in page
    assert "before it was theirs, email.server_error" in page
    assert "Another cause</span>" in listed


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        (
            "incident_regressed",
            {"case": "x.b", "fault": "ours", "case_before": "x.a", "fault_before": "theirs"},
            "It came back after it had looked recovered. Another cause now: ours, x.b; before it"
            " was theirs, x.a",
        ),
        ("incident_regressed", {}, "It came back after it had looked recovered"),
        ("acknowledged", {}, "Acknowledged; escalation stopped"),
        (
            "acknowledged",
            {"said_at": "2026-11-28T03:02:01+00:00"},
            "Acknowledged at 03:02:01 UTC, while a table was locked; escalation stopped then",
        ),
        (
            "cause_changed",
            {"case": "x.a", "case_before": "x.a", "fault_before": "theirs", "because": "entered"},
            "It is ours, most likely: nothing goes well with the secret entered last (x.a); before"
            " it was theirs, x.a",
        ),
        (
            "fault_changed",
            {"because": "refused_together"},
            "Theirs, most likely: Resend refuses the keys of many practices at once",
        ),
        (
            "fault_changed",
            {"because": "others_fail"},
            "Theirs after all: Resend fails others as well; what was entered is not to blame",
        ),
    ],
)
def test_the_timeline_says_whose_it_became(kind: str, data: dict[str, Any], said: str) -> None:
    row = {"at": datetime.now(UTC), "kind": kind, "data": data, "actor": "evaluator"}
    assert [line.text for line in narrate([row], "Resend")] == [said]


async def test_test_mode_says_who_when_and_what_switching_it_off_does(stage: Stage) -> None:
    """With how many have something due, and how many stay without; once it is off, that it is."""
    credential_id = await _credential_of(stage, stage.lakeside)
    await stage.owner.execute("update credential set test_only = true where id = $1", credential_id)
    begun = {"at": "2026-11-29T08:15:00+00:00", "by": "command line", "by_hand": True}
    new = _new(
        credential_id, stage.lakeside, "email.refused_here", "email.test_mode", test_mode=begun
    )
    incident = await _open(stage, new)
    await stage.owner.execute(
        "insert into audit (practice_id, actor, action) values"
        " ($1, 'noor (command line)', 'test_mode_begun')",
        stage.lakeside,
    )
    fleet = re.sub(r"<[^>]*>", "", await _read(stage, "/"))
    assert re.search(r"Let only test recipients be reached.{0,80}noor \(command line\)", fleet)
    due = await stage.owner.fetch(
        "select id from delivery where credential_id = $1 and status = 'pending' limit 1",
        credential_id,
    )
    await walk(stage.owner, due[0]["id"], "refused", last_case="email.test_mode")
    page = await _read(stage, f"/incidents/{incident}")
    assert _big(page, "whose") == "Ours"
    assert "Test mode was switched on at 08:15:00 UTC on 29 Nov by command line." in page
    now = page.partition("<b>Now:</b>")[2].partition("</section>")[0]
    assert "Ask whoever was at the command line, who switched test mode on at 08:15 UTC" in now
    assert "Unless it is meant, switch test mode off." in now
    assert "Switched off, what falls due goes out; nobody has anything due" in now
    assert "24 hours. 1 person was refused so far, and nothing goes to them by that." in now
    fleet = await _read(stage, "/")
    assert "Left in test mode by command line, since 08:15 UTC on 29 Nov: Resend" in fleet
    assert "Asked Resend just now" not in page
    await stage.owner.execute("update credential set test_only = false")
    page = await _read(stage, f"/incidents/{incident}")
    assert "Test mode is off again: what falls due goes out" in page
    paper = await _read(stage, f"/incidents/{incident}/post-mortem.md")
    assert "**Test mode:** switched on, 2026-11-29 08:15:00, by command line" in paper
