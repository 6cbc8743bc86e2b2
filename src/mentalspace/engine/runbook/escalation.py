"""The escalation matrix: whom a severity pages, how soon, who comes next, and what they do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from mentalspace.engine.runbook.problem import Problem
from mentalspace.engine.runbook.read import Source, Table
from mentalspace.kernel.case import Severity


class ActionKind(StrEnum):
    """What the opening of an incident brings about, besides its pages."""

    ALL_HANDS = "all_hands"  # every person is paged at once, and a checklist waits for them
    FIX = "fix"  # a checklist: investigate, fix or roll back
    NEXT_SPRINT = "next_sprint"  # a ticket with whoever is assigned
    NORMAL_SPRINT = "normal_sprint"  # a ticket in the queue


# Whom all hands are, besides a rung's own contacts. Tickets are a queue and no hands.
HANDS = ("oncall", "cto", "assigned")


@dataclass(frozen=True, slots=True)
class Rung:
    """One severity. Contacts are page targets, as in `MENTALSPACE_PAGE_ONCALL`.

    Two clocks run from the opening. `ack_within_s` is how long an acknowledgment may take, 0 is at
    once: when it has passed, `escalate_to` is paged as well. `resolve_within_s` is how long an
    acknowledgment holds: when it has passed, the incident is open again and pages. `repeat_every_s`
    repeats a page until somebody acknowledges; 0 never repeats.
    """

    severity: Severity
    meaning: str
    ack_within_s: int
    resolve_within_s: int
    contacts: tuple[str, ...]
    actions: str
    action: ActionKind
    checklist: tuple[str, ...]
    repeat_every_s: int
    escalate_to: tuple[str, ...]

    @property
    def first_paged(self) -> tuple[str, ...]:
        """Whom the opening pages: its contacts, or all hands."""
        hands = HANDS if self.action is ActionKind.ALL_HANDS else ()
        return tuple(dict.fromkeys((*self.contacts, *hands)))

    @property
    def reached(self) -> tuple[str, ...]:
        """Everybody, once it has not been acknowledged or not been resolved in time."""
        return tuple(dict.fromkeys((*self.first_paged, *self.escalate_to)))

    @property
    def first_step_s(self) -> int | None:
        """How long after the first pages the next ones follow; None if never."""
        return self.ack_within_s or self.repeat_every_s or None

    @property
    def opens_ticket(self) -> bool:
        return self.action in (ActionKind.NEXT_SPRINT, ActionKind.NORMAL_SPRINT)


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
        ack_within_s=table.whole("ack_within_s"),
        resolve_within_s=table.whole("resolve_within_s"),
        contacts=table.texts("contacts", required=True),
        actions=table.text("actions"),
        action=table.one_of("action", ActionKind),
        checklist=table.texts("checklist"),
        repeat_every_s=table.whole("repeat_every_s"),
        escalate_to=table.texts("escalate_to"),
    )
    if rung.resolve_within_s <= rung.ack_within_s:
        table.problem("resolve_within_s", "it ends before the acknowledgment", "make it longer")
    for contact in sorted({*rung.contacts, *rung.escalate_to} - set(targets)):
        table.problem("contacts", f"nobody is {contact!r}", f"use {', '.join(targets)}")
    table.done()
    return rung
