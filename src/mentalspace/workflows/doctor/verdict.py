"""Ours or theirs, in one line, out of everything that was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from mentalspace.kernel.checkup import State, Whose


class Looked(Protocol):
    """What is read of a finding."""

    @property
    def subject(self) -> str: ...
    @property
    def check(self) -> str: ...
    @property
    def state(self) -> State: ...
    @property
    def text(self) -> str: ...
    @property
    def whose(self) -> Whose | None: ...


F = TypeVar("F", bound=Looked)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`whose` is nobody's while nothing is bad; `text` says what decides it, `more` how many
    other such things there are."""

    whose: Literal["nobody", "ours", "theirs", "both", "unclear"]
    text: str
    more: int
    warnings: int

    @property
    def is_uneasy(self) -> bool:
        """Nothing fails, and something should be mended."""
        return self.whose == "nobody" and bool(self.warnings)

    @property
    def word(self) -> str:
        if self.is_uneasy:
            return "NOT QUITE WELL"
        return {
            "nobody": "WELL",
            "ours": "OURS",
            "theirs": "THEIRS",
            "both": "OURS AND THEIRS",
            "unclear": "UNCLEAR",
        }[self.whose]


# What decides, the weightiest first: an answer beats what follows from it.
_WEIGHT = (
    "way out",
    "connections",
    "ways out",
    "provider",
    "agreement",
    "breaker",
    "lanes",
    "delivery",
    "calls",
    "callbacks",
    "lock",
    "worker",
    "queue age",
    "domain at",
    "DKIM",
    "SPF",
    "DMARC",
    "return path",
    "status page",
)


def judge(findings: Sequence[Looked]) -> Verdict:
    """The heaviest bad finding names whose it is; others of the other side make it both's."""
    bad = sorted((f for f in findings if f.state == "bad"), key=_weight)
    warnings = sorted((f for f in findings if f.state == "warning"), key=_weight)
    if not bad:
        text = "nothing is wrong"
        if warnings:
            text = f"nothing fails; but {warnings[0].check}: {warnings[0].text}"
        return Verdict("nobody", text, max(0, len(warnings) - 1), len(warnings))
    first, sides = bad[0], {f.whose for f in bad if f.whose}
    text = first.text if first.check == "provider" else f"{first.check}: {first.text}"
    more = len({(f.check, f.text) for f in bad}) - 1
    if first.check == "way out":
        return Verdict("ours", text, more, len(warnings))
    if len(sides) == 2:
        # Both are said: what is ours is what can be mended.
        other = next(f for f in bad if f.whose and f.whose != first.whose)
        text = f"{text.rstrip('.')}. {(other.whose or '').capitalize()} as well: {other.text}"
        return Verdict("both", text, max(0, more - 1), len(warnings))
    return Verdict(sides.pop() if sides else "unclear", text, more, len(warnings))


def weightiest(findings: Sequence[F]) -> F | None:
    """What decides among them; None of none."""
    return min(findings, key=_weight, default=None)


def _weight(finding: Looked) -> int:
    known = (n for n, check in enumerate(_WEIGHT) if finding.check.startswith(check))
    return next(known, len(_WEIGHT))
