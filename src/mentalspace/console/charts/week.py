"""The hours of a week as squares: the more, the larger and the darker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from mentalspace.console.chart import Bar

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CELL = 10.0
_LARGEST = 9.0
_LEAST = 2.0
_SHADES = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One weekday, from midnight on: an hour's number and its square."""

    day: str
    long_day: str
    numbers: Sequence[int]
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Week:
    """Monday first. `most` is the busiest hour's number."""

    rows: Sequence[Row]
    most: int
    total: int
    text: str


def draw_week(numbers: Sequence[Sequence[int]], what: str, tone: str) -> Week:
    """`numbers` are seven days of 24 hours; `what` names what was counted, `tone` its colour."""
    most = max(number for day in numbers for number in day)
    rows = [
        Row(DAYS[index], _LONG[index], day, [_square(hour, number, most, tone)
                                             for hour, number in enumerate(day)])
        for index, day in enumerate(numbers)
    ]  # fmt: skip
    total = sum(number for day in numbers for number in day)
    return Week(rows, most, total, _text(numbers, most, total, what))


def _square(hour: int, number: int, most: int, tone: str) -> Bar:
    """Its area is the number's share of the most, its shade a quarter of that."""
    x = hour * CELL
    if not number:
        return Bar(x + CELL / 2 - 0.5, CELL / 2 - 0.5, 1.0, 1.0, "none")
    side = round(max(_LEAST, _LARGEST * sqrt(number / most)), 1)
    shade = min(_SHADES, 1 + int(number / most * _SHADES))
    edge = round((CELL - side) / 2, 2)
    return Bar(round(x + edge, 2), edge, side, side, f"{tone} shade-{shade}")


def _text(numbers: Sequence[Sequence[int]], most: int, total: int, what: str) -> str:
    if not total:
        return f"0 {what}, as counted so far."
    day, hour = next(
        (day, hour)
        for day, hours in enumerate(numbers)
        for hour, number in enumerate(hours)
        if number == most
    )
    busiest = max(range(7), key=lambda each: sum(numbers[each]))
    return (
        f"{total:,} {what}; most on {_LONG[day]}s from {hour:02d}:00 to {hour + 1:02d}:00:"
        f" {most:,}. The fullest day is {_LONG[busiest]}, with {sum(numbers[busiest]):,}."
    )
