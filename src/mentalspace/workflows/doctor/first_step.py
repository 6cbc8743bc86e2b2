"""What to do first about a rule that fires, as the doctor's verdict has it."""

from __future__ import annotations

from collections.abc import Sequence

from mentalspace.engine.runbook import AlertKind, RoomRunbook
from mentalspace.kernel.case import Fault
from mentalspace.workflows.doctor.report import AlertLine, RoomFinding
from mentalspace.workflows.doctor.verdict import Verdict, weightiest

# What of a credential's own decides whose the calls are that fail by it.
_OF_CREDENTIAL = frozenset({"provider", "agreement", "lanes"})


def first_step(
    book: RoomRunbook, line: AlertLine, verdict: Verdict, findings: Sequence[RoomFinding]
) -> str:
    """Its incident's, which follows the case that was met, or the rule's own. That one is meant for
    the provider's fault, mostly: where what is found is ours, it is that which is done first."""
    by_rule = book.step(line.rule, line.subject and line.subject.partition("/")[0])
    own = by_rule if line.told in (None, line.rule.action) else line.told
    if line.rule.kind is AlertKind.CALLBACKS:
        return next((f.cure for f in findings if _tells_of_callbacks(f, line) and f.cure), own)
    if own != by_rule or line.rule.fault is Fault.OURS:
        return own
    ours = _ours(line, verdict, [f for f in findings if f.state == "bad" and f.whose == "ours"])
    if ours is None:
        return own
    return ours.cure or f"See to what is ours, above: {ours.check}: {ours.text}"


def _tells_of_callbacks(found: RoomFinding, line: AlertLine) -> bool:
    return found.check == "callbacks" and found.subject == line.subject


def _ours(line: AlertLine, verdict: Verdict, ours: Sequence[RoomFinding]) -> RoomFinding | None:
    """What decides, of the house or of the credential that the rule fires at."""
    whole = ours if verdict.whose == "ours" else []
    of_it = [f for f in ours if f.subject == line.subject and f.check in _OF_CREDENTIAL]
    return weightiest([*whole, *of_it])
