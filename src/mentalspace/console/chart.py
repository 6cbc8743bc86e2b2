"""Bars of outcomes, stacked: five minutes each for the last hour, or a day each for two weeks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from mentalspace.console import words

_HEIGHT = 32.0
_STEP = 10.0
_WIDTH = 7.0
# Times are drawn up to so many times their target.
_CUT = 4


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tries of five minutes by how they ended."""

    good: int
    recipient: int
    bad: int

    @property
    def total(self) -> int:
        return self.good + self.recipient + self.bad


@dataclass(frozen=True, slots=True)
class Day:
    """Messages of one day by how they ended."""

    day: date
    outcomes: Bucket


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds that the half and 95 of 100 of a day's `n` messages took at most."""

    day: date
    n: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of the drawing. `tone` names its pattern as well as its colour."""

    x: float
    y: float
    width: float
    height: float
    tone: str


@dataclass(frozen=True, slots=True)
class Chart:
    width: float
    height: float
    bars: tuple[Bar, ...]
    text: str


def draw(buckets: Sequence[Bucket]) -> Chart:
    """Oldest first. The text says what the drawing shows, for whoever does not see it."""
    return _draw(buckets, _text(buckets))


def draw_days(days: Sequence[Day]) -> Chart:
    """Oldest first, one bar a day."""
    return _draw([day.outcomes for day in days], _days_text(days), least=0.8)


def draw_reach(days: Sequence[Day]) -> Chart:
    """The soonest first, one bar a day: who was reached, who is waited for, and who was not."""
    good = sum(day.outcomes.good for day in days)
    waiting = sum(day.outcomes.recipient for day in days)
    bad = sum(day.outcomes.bad for day in days)
    text = (
        f"Appointments of the next {len(days)} days: {good:,} reached, {waiting:,} waiting,"
        f" {bad:,} not reached."
    )
    return _draw([day.outcomes for day in days], text, least=0.8)


def draw_trend(days: Sequence[tuple[date, int]], tone: str) -> Chart:
    """Oldest first, one bar a day of one tone."""
    recipients = tone == "warn"
    buckets = [
        Bucket(0, number if recipients else 0, 0 if recipients else number) for _, number in days
    ]
    total = sum(number for _, number in days)
    if not total:
        return _draw(buckets, f"None in {len(days)} days.")
    day, most = max(days, key=lambda one: one[1])
    text = f"{total:,} in {len(days)} days, most on {day:%-d %b}: {most:,}."
    return _draw(buckets, text)


def draw_took(days: Sequence[Took], target_s: float | None, enough: int) -> Chart:
    """Oldest first: the half's time before that of 95 in 100, and a line at the target. A day of
    too few messages has no bar; one bad day does not flatten the others."""
    told = [(index, day.p50, day.p95) for index, day in enumerate(days) if day.n >= enough]
    spread = [(index, p50, p95) for index, p50, p95 in told if p50 is not None and p95 is not None]
    width = len(days) * _STEP
    if not spread:
        return Chart(width, _HEIGHT, (), f"Last {len(days)} days: too few messages to say.")
    most = max(p95 for _, _, p95 in spread)
    top = (max(target_s, min(most, _CUT * target_s)) if target_s else most) * 1.05 or 1.0
    bars = []
    for index, p50, p95 in spread:
        late = target_s is not None and p95 > target_s
        for seconds, tone in ((p95, "warn" if late else "info"), (p50, "ok")):
            height = round(min(_HEIGHT, max(0.5, seconds / top * _HEIGHT)), 1)
            bars.append(Bar(index * _STEP, _HEIGHT - height, _WIDTH, height, tone))
    if target_s is not None:
        bars.append(Bar(0, round(_HEIGHT * (1 - target_s / top), 1), width, 0.4, "edge"))
    return Chart(width, _HEIGHT, tuple(bars), _took_text(days, spread, target_s))


def _took_text(
    days: Sequence[Took], spread: Sequence[tuple[int, float, float]], target_s: float | None
) -> str:
    index, _, worst = max(spread, key=lambda one: one[2])
    _, half, most = spread[-1]
    text = (
        f"Last {len(days)} days: half took at most {seconds(half)} and 95 of 100 at most"
        f" {seconds(most)} on {days[spread[-1][0]].day:%-d %b}; the slowest day was"
        f" {days[index].day:%-d %b}, with {seconds(worst)}."
    )
    if target_s is None:
        return text
    cut = f"; bars end at {_CUT * target_s:g} s" if worst > _CUT * target_s else ""
    return f"{text} The line is the target, {target_s:g} s{cut}."


def seconds(took_s: float) -> str:
    """`1.2 s`, and from two minutes on as people say it."""
    return f"{took_s:.1f} s" if took_s < 120 else words.span(took_s)


def _draw(buckets: Sequence[Bucket], text: str, least: float = 2.0) -> Chart:
    most = max((bucket.total for bucket in buckets), default=0)
    bars: list[Bar] = []
    for index, bucket in enumerate(buckets):
        bars += _column(index * _STEP, bucket, most, least)
    return Chart(len(buckets) * _STEP, _HEIGHT, tuple(bars), text)


def _column(x: float, bucket: Bucket, most: int, least: float) -> list[Bar]:
    if not bucket.total:
        return [Bar(x, _HEIGHT - 1, _WIDTH, 1, "none")]
    bars, floor = [], _HEIGHT
    # What failed stands on the ground, where a short bar is still seen.
    for tone, number in (("bad", bucket.bad), ("warn", bucket.recipient), ("ok", bucket.good)):
        if number:
            height = max(least, number / most * (_HEIGHT - 4))
            floor -= height
            bars.append(Bar(x, round(floor, 1), _WIDTH, round(height, 1), tone))
    return bars


def _text(buckets: Sequence[Bucket]) -> str:
    good = sum(bucket.good for bucket in buckets)
    recipient = sum(bucket.recipient for bucket in buckets)
    bad = sum(bucket.bad for bucket in buckets)
    if not good + recipient + bad:
        return "Last hour: no tries."
    return (
        f"Last hour, in five minutes each: {good} tries succeeded, {bad} failed, "
        f"{recipient} failed by the recipient’s fault."
    )


def _days_text(days: Sequence[Day]) -> str:
    good = sum(day.outcomes.good for day in days)
    recipient = sum(day.outcomes.recipient for day in days)
    bad = sum(day.outcomes.bad for day in days)
    if not good + recipient + bad:
        return f"Last {len(days)} days: no messages."
    busiest = max(days, key=lambda day: day.outcomes.total)
    return (
        f"Last {len(days)} days, a day each: {good:,} accepted or delivered, {bad:,} failed, "
        f"{recipient:,} by the recipient’s fault; most on {busiest.day:%-d %b}, "
        f"{busiest.outcomes.total:,}."
    )
