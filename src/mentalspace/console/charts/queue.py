"""How long the oldest waited, a bar for each quarter of an hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mentalspace.console import words
from mentalspace.console.chart import Bar, Chart

_HEIGHT = 32.0
_STEP = 10.0
_WIDTH = 8.0
# From so long on a wait stands out.
LONG = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Waited:
    """A quarter of an hour: how long the oldest had waited at most in it, of how many. `still` of
    them wait at this moment, the oldest for `standing`."""

    at: datetime
    oldest: timedelta
    number: int
    standing: timedelta = timedelta()
    still: int = 0


def draw_queue(quarters: Sequence[Waited]) -> Chart:
    """Oldest first, those of nothing too. A line marks where a wait stands out."""
    width = len(quarters) * _STEP
    longest = max((each.oldest for each in quarters), default=timedelta())
    if not longest:
        return Chart(width, _HEIGHT, (Bar(0, _HEIGHT - 0.8, width, 0.8, "none"),), _text(quarters))
    top = max(longest, LONG) * 1.05
    bars = [Bar(0, _HEIGHT - 0.8, width, 0.8, "none")]
    for index, each in enumerate(quarters):
        if each.oldest:
            height = round(max(0.8, each.oldest / top * _HEIGHT), 1)
            tone = "warn" if each.oldest >= LONG else "info"
            bars.append(Bar(index * _STEP, round(_HEIGHT - height, 1), _WIDTH, height, tone))
    bars.append(Bar(0, round(_HEIGHT * (1 - LONG / top), 1), width, 0.4, "edge"))
    return Chart(width, _HEIGHT, tuple(bars), _text(quarters))


def _text(quarters: Sequence[Waited]) -> str:
    waited = [each for each in quarters if each.oldest]
    if not waited:
        return "Nothing waited longer than a minute."
    worst = max(waited, key=lambda each: each.oldest)
    last = quarters[-1]
    now = f"; now {words.span(last.standing)}, of {last.still:,}" if last.still else "; none now"
    return (
        f"Longest wait {words.span(worst.oldest)}, in {len(waited)} of {len(quarters)} quarters of"
        f" an hour one over a minute{now}. The line is {words.span(LONG)}."
    )
