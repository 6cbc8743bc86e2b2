"""How times are spread, as counts in slots: sums of slots are slots, which percentiles are not."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import TypeAlias

# The upper ends of the slots, seconds; each holds its own end. What is beyond has a last slot.
# A runbook's targets are among them, so that how many kept to one is told exactly.
EDGES_S = (
    0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 10, 12.5,
    15, 17.5, 20, 25, 30, 35, 40, 50, 60, 75, 90, 120, 150, 180, 240, 300, 450, 600, 900, 1200,
    1800, 2700, 3600, 5400, 7200, 10800, 14400, 21600, 28800, 43200, 57600, 86400, 172800,
)  # fmt: skip

Spread: TypeAlias = Mapping[int, int]


def slot_sql(seconds: str, edges: str) -> str:
    """The slot of an SQL expression of seconds; `edges` is a parameter that takes DOWNWARD."""
    return f"({len(EDGES_S)} - width_bucket(-({seconds}), {edges}::float8[]))"


# `width_bucket` wants them rising and gives the lower end to a slot: so they are turned over.
DOWNWARD = [-edge for edge in reversed(EDGES_S)]


def slot_of(seconds: float) -> int:
    return bisect_left(EDGES_S, seconds)


def slots(kept: Mapping[str, int]) -> dict[int, int]:
    """A spread as the database keeps it."""
    return {int(slot): hits for slot, hits in kept.items()}


def add(spreads: Iterable[Spread]) -> dict[int, int]:
    total: dict[int, int] = {}
    for spread in spreads:
        for slot, hits in spread.items():
            total[slot] = total.get(slot, 0) + hits
    return total


def percentile(spread: Spread, share: float) -> float | None:
    """Seconds that this share took at most, to within its slot; None of nothing."""
    left = share * sum(spread.values())
    for slot in sorted(spread):
        if spread[slot] >= left > 0:
            low, high = _ends(slot)
            return low + (high - low) * left / spread[slot]
        left -= spread[slot]
    return None


def within(spread: Spread, seconds: float) -> int:
    """How many took at most so long; exact where that is an edge."""
    slot = slot_of(seconds)
    low, high = _ends(slot)
    part = spread.get(slot, 0) * ((seconds - low) / (high - low) if high > low else 1.0)
    return sum(hits for each, hits in spread.items() if each < slot) + int(part)


def _ends(slot: int) -> tuple[float, float]:
    low = EDGES_S[slot - 1] if slot else 0.0
    return low, EDGES_S[slot] if slot < len(EDGES_S) else low
