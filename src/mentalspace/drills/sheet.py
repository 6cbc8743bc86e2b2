"""What a drill is written down on while it runs: what was done, promised and seen, and when."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from mentalspace.engine.runbook import Action, Drill, Rehearsal

# As the Chaos Toolkit's journal has them, in this order.
Kind = Literal[
    "steady_before", "inject", "act", "expected", "observed", "rollback", "recovered", "after"
]
Outcome = Literal["passed", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the journal. `held` is None for what was done rather than looked at."""

    kind: Kind
    at: datetime
    text: str
    held: bool | None = None

    def public(self) -> dict[str, Any]:
        said = {"step": self.kind, "at": iso(self.at), "text": self.text}
        return said if self.held is None else {**said, "held": self.held}


@dataclass(slots=True)
class Sheet:
    """`now` is the house's clock, which the ledger goes by as well.

    `signs` are the instants at which what was promised was first seen, by name.
    """

    drill: Drill | Rehearsal
    run_id: str
    now: Callable[[], datetime]
    expected: dict[str, Any] = field(default_factory=dict)
    observed: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    signs: dict[str, datetime] = field(default_factory=dict)
    provider: str | None = None
    began_at: datetime = field(init=False)
    began: float = field(default_factory=time.monotonic)
    injected_at: datetime | None = None
    detected_at: datetime | None = None
    healed_at: datetime | None = None
    recovered_at: datetime | None = None
    interrupted: bool = False

    def __post_init__(self) -> None:
        self.began_at = self.now()

    def note(self, kind: Kind, text: str, held: bool | None = None) -> None:
        self.steps.append(Step(kind, self.now(), text, held))

    @property
    def outcome(self) -> Outcome:
        if self.interrupted:
            return "interrupted"
        return "failed" if self.failures else "passed"

    @property
    def detect_s(self) -> float | None:
        return between(self.injected_at, self.detected_at)

    @property
    def recover_s(self) -> float | None:
        """From taking the cause away until everything promised of the recovery was seen."""
        return between(self.healed_at, self.recovered_at)

    @property
    def proved(self) -> list[str]:
        """The cases and the rules that were promised and seen."""
        if self.outcome != "passed":
            return []
        if isinstance(self.drill, Rehearsal):
            return sorted(self.drill.proves)
        seen = self.observed.get("then", {})
        promised = {*self.drill.cases, self.drill.expect.case}
        cases = promised.intersection(seen.get("cases", ()))
        rules = set(self.drill.expect.alert).intersection(seen.get("alerts", ()))
        return sorted(name for name in cases | rules if name)


def between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds, to the hundredth; None without either. Two clocks may differ by a little."""
    if start is None or end is None:
        return None
    return round(max(0.0, (end - start).total_seconds()), 2)


def iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")


def action_text(action: Action) -> str:
    """`fault: kind status, http 503`, as the drill's file has it."""
    params = ", ".join(f"{key} {value}" for key, value in action.params.items())
    return f"{action.do}: {params}" if params else action.do


def promise_text(promised: Mapping[str, Any]) -> str:
    """`case email.rate_limited; accepted 20; status delivered`."""
    parts = []
    for name, value in promised.items():
        if isinstance(value, bool):
            parts.append(name.replace("_", " ") if value else f"not {name.replace('_', ' ')}")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            parts.append(f"{name.replace('_', ' ')} {shown}")
    return "; ".join(parts) or "nothing in particular"
