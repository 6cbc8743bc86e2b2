"""Of a cause its own queries stand first, and those of whatever noticed it are folded."""

from __future__ import annotations

import json

from mentalspace.console.diagnosis import Seen, beside, causes_of
from mentalspace.engine.runbook import load_runbooks
from mentalspace.integrations import discover_rooms
from mentalspace.workflows.doctor.queries import Answer
from mentalspace.workflows.evidence import checks_of
from tests.console.stage import Stage

BOOKS = load_runbooks(list(discover_rooms().values()), None)


def _seen(case_id: str | None, rule_id: str) -> list[Seen]:
    checks = checks_of(BOOKS, case_id, rule_id)
    causes = causes_of(BOOKS, {"case_id": case_id, "rule_id": rule_id})
    return beside([], [Answer(issue, check.title, check.run) for issue, check in checks], causes)


def test_the_queries_of_the_cause_stand_first() -> None:
    """A budget burns because texts are throttled: what is asked of that, then the rest. A time-out
    has no query of its own: what is asked about landlines is not about it. Without a case what the
    rule names is the cause."""
    order = [one.of_cause for one in _seen("sms.rate_limited", "sms.budget_burns")]
    assert order == sorted(order, reverse=True)
    assert {True, False} == set(order)
    assert {one.of_cause for one in _seen("sms.no_answer", "sms.budget_burns")} == {False}
    assert {one.of_cause for one in _seen(None, "sms.budget_burns")} == {True}


async def test_what_waits_for_the_morning_is_told_from_what_waits_for_its_turn(
    stage: Stage,
) -> None:
    """As the page beside counts them: the runbook's own question of the queue tells them apart."""
    [check] = [
        check
        for issue in BOOKS.room("email").issues
        if issue.id == "email.rate_limiting"
        for check in issue.diagnosis
        if check.title.startswith("What is queued")
    ]
    closed = json.dumps({"zones": ["UTC"], "week": [None] * 7})
    due = await stage.owner.fetch(
        "update delivery set due_at = app.now() - interval '1 min' where id in (select id from"
        " delivery where status = 'pending' and integration = 'email' limit 2) returning id"
    )
    assert len(due) == 2
    await stage.owner.execute(
        "update delivery set hours = $2::text::jsonb where id = $1", due[0]["id"], closed
    )
    async with stage.services.database.as_oncall() as connection:
        rows = await connection.fetch(check.run.rstrip(";"))
    waits = {row["waits_for"]: row["count"] for row in rows if row["status"] == "pending"}
    assert waits["its hours"] == 1
    assert waits["its turn"] >= 1
