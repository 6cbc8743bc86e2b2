"""The escalation matrix: whom a severity pages, how soon, and who comes next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from mentalspace.engine.runbook.problem import Problem
from mentalspace.engine.runbook.read import Source, Table
from mentalspace.kernel.case import Severity


@dataclass(frozen=True, slots=True)
class Rung:
    """One severity. Contacts are page targets, as in `MENTALSPACE_PAGE_ONCALL`.

    `response_time_s` is how long an acknowledgment may take; 0 is at once. When it has
    passed unacknowledged, `escalate_to` is paged as well. `repeat_every_s` repeats a page
    until somebody acknowledges; 0 never repeats.
    """

    severity: Severity
    meaning: str
    response_time_s: int
    contacts: tuple[str, ...]
    actions: str
    repeat_every_s: int
    escalate_to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Escalation:
    rungs: Mapping[Severity, Rung]
    version: str
    owner: str
    reviewed: date
    next_review: date

    def rung(self, severity: Severity) -> Rung:
        return self.rungs[severity]


def parse_escalation(
    values: Mapping[str, object],
    source: Source,
    *,
    targets: tuple[str, ...],
    problems: list[Problem],
) -> Escalation | None:
    """The matrix, or None once its mistakes are in `problems`."""
    before = len(problems)
    table = Table(values, source, problems)
    rungs = [_rung(inner, targets) for inner in table.tables("rung")]
    escalation = Escalation(
        rungs={rung.severity: rung for rung in rungs},
        version=table.text("version"),
        owner=table.text("owner"),
        reviewed=table.day("reviewed"),
        next_review=table.day("next_review"),
    )
    if missing := set(Severity) - set(escalation.rungs):
        table.problem("rung", f"no rung for {', '.join(sorted(missing))}", "add a [[rung]] each")
    table.done()
    return escalation if len(problems) == before else None


def _rung(table: Table, targets: tuple[str, ...]) -> Rung:
    rung = Rung(
        severity=table.one_of("severity", Severity),
        meaning=table.text("meaning"),
        response_time_s=table.whole("response_time_s"),
        contacts=table.texts("contacts", required=True),
        actions=table.text("actions"),
        repeat_every_s=table.whole("repeat_every_s"),
        escalate_to=table.texts("escalate_to"),
    )
    for contact in sorted({*rung.contacts, *rung.escalate_to} - set(targets)):
        table.problem("contacts", f"nobody is {contact!r}", f"use {', '.join(targets)}")
    table.done()
    return rung
