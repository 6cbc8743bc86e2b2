"""The runbook's own diagnosis queries of an incident: as they were at opening, and as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mentalspace.console.door import Visit
from mentalspace.workflows.doctor.queries import Answer, run_check
from mentalspace.workflows.evidence import Kept, checks_of


@dataclass(frozen=True, slots=True)
class Seen:
    """One query. `then` is None for who may not see it, or if it was not attached; `now` if it is
    no longer in the runbook."""

    title: str
    source: str
    asked: str
    then: Kept | None
    now: Answer | None

    @property
    def unchanged(self) -> bool:
        if self.then is None or self.now is None or self.then.problem or self.now.problem:
            return False
        return (self.then.columns, self.then.rows) == (self.now.columns, self.now.rows)


async def diagnose(visit: Visit, case_id: str | None, rule_id: str) -> list[Answer]:
    """Every SQL check of the issues that name this case or this rule, as the visitor's role."""
    found = checks_of(visit.services.runbooks, case_id, rule_id)
    return [await run_check(visit.reading, issue, check) for issue, check in found]


def beside(kept: Sequence[Kept], answers: Sequence[Answer]) -> list[Seen]:
    """Each query once, in the runbook's order; at the end those that only the past knows."""
    queries = {(one.source, one.title): one for one in kept if one.kind == "query"}
    seen = [
        Seen(
            answer.title,
            answer.issue.title,
            answer.sql,
            queries.pop((answer.issue.id, answer.title), None),
            answer,
        )
        for answer in answers
    ]
    return seen + [Seen(one.title, one.source, one.asked, one, None) for one in queries.values()]
