"""Of a cause its own queries stand first, and those of whatever noticed it are folded."""

from __future__ import annotations

from mentalspace.console.diagnosis import Seen, beside, causes_of
from mentalspace.engine.runbook import load_runbooks
from mentalspace.integrations import discover_rooms
from mentalspace.workflows.doctor.queries import Answer
from mentalspace.workflows.evidence import checks_of

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
