"""The runbook's own diagnosis queries of an incident: as they were at opening, and as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mentalspace.console.door import Visit
from mentalspace.engine.runbook import Runbooks
from mentalspace.workflows.doctor.queries import Answer, run_check
from mentalspace.workflows.evidence import Kept, checks_of


@dataclass(frozen=True, slots=True)
class Seen:
    """One query. `then` is None for who may not see it, or if it was not attached; `now` if it is
    no longer in the runbook. `of_cause`: its issue is about what happened, not only about the rule
    that noticed it."""

    title: str
    source: str
    asked: str
    then: Kept | None
    now: Answer | None
    of_cause: bool

    @property
    def unchanged(self) -> bool:
        if self.then is None or self.now is None or self.then.problem or self.now.problem:
            return False
        return (self.then.columns, self.then.rows) == (self.now.columns, self.now.rows)


async def diagnose(visit: Visit, case_id: str | None, rule_id: str) -> list[Answer]:
    """Every SQL check of the issues that name this case or this rule, as the visitor's role."""
    found = checks_of(visit.services.runbooks, case_id, rule_id)
    return [await run_check(visit.reading, issue, check) for issue, check in found]


def causes_of(runbooks: Runbooks, incident: Any) -> frozenset[str] | None:
    """The issues that name its case, perhaps none; of an incident without a case, those that its
    rule names. None where nothing tells them apart."""
    issues = [issue for room in runbooks.rooms for issue in room.issues]
    case_id, rule_id = incident["case_id"], incident["rule_id"]
    if case_id:
        return frozenset(issue.id for issue in issues if case_id in issue.cases)
    named = [rule.issue for rule in runbooks.alerts if rule.id == rule_id and rule.issue]
    return frozenset(named) or None


def beside(
    kept: Sequence[Kept], answers: Sequence[Answer], causes: frozenset[str] | None = None
) -> list[Seen]:
    """Each query once, those of the `causes` first, in the runbook's order; at the end those that
    only the past knows. Without causes all are about it."""
    queries = {(one.source, one.title): one for one in kept if one.kind == "query"}
    seen = [
        Seen(
            answer.title,
            answer.issue.title,
            answer.sql,
            queries.pop((answer.issue.id, answer.title), None),
            answer,
            causes is None or answer.issue.id in causes,
        )
        for answer in answers
    ]
    past = [
        Seen(one.title, one.source, one.asked, one, None, causes is None or one.source in causes)
        for one in queries.values()
    ]
    return sorted(seen, key=lambda one: not one.of_cause) + past
