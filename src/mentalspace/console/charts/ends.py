"""How messages ended, a bar a day: five ways to end, each with a pattern and a count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from mentalspace.console.chart import Bar, Chart

HEIGHT = 32.0
STEP = 10.0
WIDTH = 7.0
# What is there at all is seen.
_LEAST = 0.8


@dataclass(frozen=True, slots=True)
class Ends:
    """Messages by how they ended. `untold` went by a provider that never says more than that it
    took them; `silent` wait for one that does."""

    delivered: int = 0
    untold: int = 0
    silent: int = 0
    recipient: int = 0
    ours: int = 0
    theirs: int = 0

    @property
    def total(self) -> int:
        return sum(getattr(self, way.name) for way in WAYS)

    def __add__(self, other: Ends) -> Ends:
        return Ends(**{w.name: getattr(self, w.name) + getattr(other, w.name) for w in WAYS})


@dataclass(frozen=True, slots=True)
class Way:
    """`tone` names a fill of the style sheet, or a pattern of `hatches` in chart_bits.html."""

    name: str
    tone: str
    words: str


# From the ground up: what failed stands where a short bar is still seen.
WAYS = (
    Way("theirs", "bad", "the provider’s fault"),
    Way("ours", "hatch-ours", "our fault"),
    Way("recipient", "hatch-recipient", "the recipient’s fault"),
    Way("silent", "hatch-silent", "accepted, no news yet"),
    Way("untold", "info", "accepted, no news to come"),
    Way("delivered", "ok", "delivered"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One way of the legend, with how many ended so."""

    way: Way
    number: int


def legend(ends: Ends) -> list[Line]:
    """The way down the bars; a way that nobody took is left out, but never that of success."""
    lines = [Line(way, getattr(ends, way.name)) for way in reversed(WAYS)]
    return [line for line in lines if line.number or line.way.name == "delivered"]


def draw_ends(days: Sequence[tuple[date, Ends]]) -> Chart:
    """Oldest first."""
    most = max((ends.total for _, ends in days), default=0)
    bars: list[Bar] = []
    for index, (_, ends) in enumerate(days):
        bars += _column(index * STEP, ends, most)
    return Chart(len(days) * STEP, HEIGHT, tuple(bars), _text(days))


def _column(x: float, ends: Ends, most: int) -> list[Bar]:
    if not ends.total:
        return [Bar(x, HEIGHT - 1, WIDTH, 1, "none")]
    bars, floor = [], HEIGHT
    for way in WAYS:
        if number := getattr(ends, way.name):
            height = max(_LEAST, number / most * (HEIGHT - 4))
            floor -= height
            bars.append(Bar(x, round(floor, 1), WIDTH, round(height, 1), way.tone))
    return bars


def _text(days: Sequence[tuple[date, Ends]]) -> str:
    total = sum((ends for _, ends in days), Ends())
    if not total.total:
        return f"Last {len(days)} days: no message is counted yet."
    parts = [f"{line.number:,} {line.way.words}" for line in legend(total)]
    day, busiest = max(days, key=lambda one: one[1].total)
    return f"Last {len(days)} days: {', '.join(parts)}. Most on {day:%-d %b}: {busiest.total:,}."
