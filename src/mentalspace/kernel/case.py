"""An error case: what one failure means, for machine and person alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

from mentalspace.kernel.errors import Evidence


class Severity(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Disposition(StrEnum):
    """What the engine does next with a delivery that met this case."""

    RETRY = "retry"  # again, with backoff
    WAIT = "wait"  # the lane pauses until the time, quota or credential allows
    REFUSE = "refuse"  # final for this delivery; the steps run
    RECONCILE = "reconcile"  # outcome unknown: ask the provider before anything else
    HUMAN = "human"  # held until a person decides


class Fault(StrEnum):
    """Whose it is. Breakers count the provider's; rates leave the recipient's out."""

    OURS = "ours"
    THEIRS = "theirs"
    RECIPIENT = "recipient"


@dataclass(frozen=True, slots=True)
class Match:
    """One pattern over Evidence; every field given must hold."""

    kind: frozenset[str] = frozenset()
    http: frozenset[int] = frozenset()
    code: frozenset[str] = frozenset()
    message: re.Pattern[str] | None = None

    def accepts(self, evidence: Evidence) -> bool:
        if self.kind and evidence.kind not in self.kind:
            return False
        if self.http and evidence.http not in self.http:
            return False
        if self.code and evidence.code not in self.code:
            return False
        if self.message is not None:
            text = evidence.message.reveal() if evidence.message else ""
            return self.message.search(text) is not None
        return True

    @property
    def specificity(self) -> int:
        """How narrow the pattern is: message beats code beats http beats kind."""
        weights = ((self.message, 8), (self.code, 4), (self.http, 2), (self.kind, 1))
        return sum(weight for given, weight in weights if given)


@dataclass(frozen=True, slots=True)
class Step:
    """A registered action and its parameters, as written in the case file."""

    do: str
    params: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ErrorCase:
    """One file of a runbook. `match` is empty only for the room's unmatched case."""

    id: str
    title: str
    match: tuple[Match, ...]
    severity: Severity
    disposition: Disposition
    fault: Fault
    steps: tuple[Step, ...]
    drill: str | None
    source: str
    version: int
    owner: str
    reviewed: date
    next_review: date
    body: str
    path: Path
    integration: str
    provider: str | None
    overlaid: bool = False
    wait_s: float | None = None  # how long `wait` pauses, where the provider does not say
    now: str | None = None  # what a person does first, in one line
    press: str | None = None  # and the button for it

    def review_overdue(self, today: date) -> bool:
        return today > self.next_review


def classify(cases: Iterable[ErrorCase], evidence: Evidence) -> ErrorCase:
    """The most specific case that accepts the evidence, else the unmatched one.

    `cases` are one provider's, its room's unmatched case among them. Ties cannot happen:
    `runbook check` refuses two equally specific patterns that overlap.
    """
    unmatched: ErrorCase | None = None
    best: tuple[int, ErrorCase] | None = None
    for case in cases:
        if not case.match:
            unmatched = case
        for match in case.match:
            if match.accepts(evidence) and (best is None or match.specificity > best[0]):
                best = (match.specificity, case)
    if best is not None:
        return best[1]
    if unmatched is None:
        raise LookupError("the room has no unmatched case; `mentalspace runbook check` says so")
    return unmatched
