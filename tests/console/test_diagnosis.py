"""Of a cause its own queries stand first, and those of whatever noticed it are folded."""

from __future__ import annotations

from mentalspace.console.diagnosis import beside, causes_of
from mentalspace.engine.runbook import load_runbooks
from mentalspace.integrations import discover_rooms
from mentalspace.workflows.doctor.queries import Answer
from mentalspace.workflows.evidence import checks_of

BOOKS = load_runbooks(list(discover_rooms().values()), None)


def test_the_queries_of_the_cause_stand_first() -> None:
    """A time-out noticed by a budget that burns: what is asked of time-outs, and then the rest;
    without a case what the rule names is the cause."""
    incident = {"case_id": "sms.no_answer", "rule_id": "sms.budget_burns"}
    causes = causes_of(BOOKS, incident)
    checks = checks_of(BOOKS, incident["case_id"], incident["rule_id"])
    seen = beside([], [Answer(issue, check.title, check.run) for issue, check in checks], causes)
    order = [one.of_cause for one in seen]
    assert order == sorted(order, reverse=True)
    assert {True, False} == set(order)
    by_case = {issue.title for issue, _c in checks if "sms.no_answer" in issue.cases}
    assert {one.source for one in seen if one.of_cause} == by_case
    rule = next(r for r in BOOKS.alerts if r.issue)
    assert causes_of(BOOKS, {"case_id": None, "rule_id": rule.id}) == {rule.issue}
