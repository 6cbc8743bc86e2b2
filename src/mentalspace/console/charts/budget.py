"""What an objective still allows: failures so far against those that its target lets pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import floor

from mentalspace.console.chart import Bar, Chart
from mentalspace.engine.chance import is_unlikely

_HEIGHT = 32.0
_STEP = 10.0
_WIDTH = 7.0
# With fewer allowed, a share of them says more than is known.
TELLING = 5


@dataclass(frozen=True, slots=True)
class Tried:
    """One day's `n` that count for an objective, and how many of them failed."""

    day: date
    n: int
    failed: int


@dataclass(frozen=True, slots=True)
class Budget:
    """An objective of `title` that at least `target` of all succeed, over some days."""

    title: str
    target: float
    days: Sequence[Tried]

    @property
    def n(self) -> int:
        return sum(day.n for day in self.days)

    @property
    def used(self) -> int:
        return sum(day.failed for day in self.days)

    @property
    def allowed(self) -> float:
        return (1.0 - self.target) * self.n

    @property
    def left(self) -> int:
        """How many more may fail; below nought, how many were too many."""
        return floor(self.allowed + 1e-9) - self.used

    @property
    def share(self) -> int | None:
        """Of a hundred, how many are left; None where too few are allowed to say."""
        if self.allowed < TELLING:
            return None
        return floor(100 * (1 - self.used / self.allowed) + 1e-9)

    @property
    def state(self) -> str:
        """`none`, `within`, `few` (too few to allow one failure, and none failed), `chance`
        (overspent, as may happen by chance) or `spent`."""
        if not self.n:
            return "none"
        if not self.left and not self.used:
            return "few"
        if self.left >= 0:
            return "within"
        return "spent" if is_unlikely(self.used, self.n, 1.0 - self.target) else "chance"


def draw_budget(budget: Budget) -> Chart:
    """Bars of failures so far, oldest day first, and over each the mark of what was allowed."""
    width = len(budget.days) * _STEP
    rows, used, n = [], 0, 0
    for day in budget.days:
        used, n = used + day.failed, n + day.n
        rows.append((used, (1.0 - budget.target) * n))
    top = max((max(used, allowed) for used, allowed in rows), default=0.0) * 1.08
    if not top:
        return Chart(width, _HEIGHT, (), _text(budget))
    bars: list[Bar] = []
    for index, (used, allowed) in enumerate(rows):
        height = round(used / top * _HEIGHT, 1)
        tone = "bad" if used > allowed and used else "info"
        if height:
            bars.append(Bar(index * _STEP, round(_HEIGHT - height, 1), _WIDTH, height, tone))
        y = min(_HEIGHT - 0.6, _HEIGHT * (1 - allowed / top))
        bars.append(Bar(index * _STEP, round(y, 1), _STEP, 0.6, "edge"))
    return Chart(width, _HEIGHT, tuple(bars), _text(budget))


def _text(budget: Budget) -> str:
    if not budget.n:
        return f"Last {len(budget.days)} days: nothing to judge by."
    first = (
        f"{budget.used:,} of {budget.n:,} failed in {len(budget.days)} days;"
        f" {budget.target * 100:g}% lets {_few(budget.allowed)} fail"
    )
    match budget.state:
        case "few":
            return f"{first}: too few to allow one."
        case "within":
            share = "" if budget.share is None else f", {budget.share}% of what is allowed"
            return f"{first}: {budget.left:,} left{share}."
        case "chance":
            return f"{first}: {-budget.left:,} over, which with so few may be chance."
        case _:
            return f"{first}: {-budget.left:,} over, more than chance explains."


def _few(allowed: float) -> str:
    return f"{allowed:.1f}" if allowed < TELLING else f"{floor(allowed + 1e-9):,}"
