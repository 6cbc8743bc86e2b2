"""Runs the runbook's own diagnosis queries for whoever is looking at an incident."""

from __future__ import annotations

from mentalspace.console.door import Visit
from mentalspace.engine.runbook import AlertRule, CheckKind
from mentalspace.kernel.case import ErrorCase
from mentalspace.workflows.doctor.queries import Answer, run_check


async def diagnose(visit: Visit, case: ErrorCase | None, rule: AlertRule | None) -> list[Answer]:
    """Every SQL check of the issues that name this case or this rule, as the visitor's role."""
    rooms = visit.services.runbooks.rooms
    return [
        await run_check(visit.reading, issue, check)
        for room in rooms
        for issue in room.issues
        if (case is not None and case.id in issue.cases)
        or (rule is not None and rule.issue == issue.id)
        for check in issue.diagnosis
        if check.kind is CheckKind.SQL
    ]
