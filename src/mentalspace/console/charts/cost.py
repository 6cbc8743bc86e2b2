"""What a day cost, against the usual of its weekday."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from mentalspace.console.chart import Bar, Chart
from mentalspace.engine.watch.weeks import FEWEST_WEEKS, WEEKS

_HEIGHT = 32.0
_STEP = 10.0
_WIDTH = 7.0


@dataclass(frozen=True, slots=True)
class Spent:
    """One day's `amount` and what is `usual` of its weekday; None while too few are known."""

    day: date
    amount: float
    usual: float | None
    stands_out: bool


def usual_of(known: Sequence[float]) -> float | None:
    return median(known) if len(known) >= FEWEST_WEEKS else None


def spent(
    amounts: Sequence[tuple[date, float]], days: int, overspends: Callable[[float, float], bool]
) -> list[Spent]:
    """The last `days`. `amounts` go back as many weeks further as the usual is made of; days
    before the first message of all say nothing of what is usual. `overspends(amount, usual)` says
    what stands out."""
    begun = [day for day, amount in amounts if amount]
    first = min(begun, default=date.max)
    by_day = dict(amounts)
    found = []
    for day, amount in amounts[-days:]:
        same = [day - timedelta(weeks=ago) for ago in range(1, WEEKS + 1)]
        known = [by_day[each] for each in same if each in by_day and each >= first]
        usual = usual_of(known)
        found.append(Spent(day, amount, usual, usual is not None and overspends(amount, usual)))
    return found


def draw_cost(days: Sequence[Spent], currency: str) -> Chart:
    """Oldest first: a bar for the day, and across it a line at its weekday's usual."""
    width = len(days) * _STEP
    top = max((max(day.amount, day.usual or 0.0) for day in days), default=0.0) * 1.08
    if not top:
        return Chart(width, _HEIGHT, (), f"Last {len(days)} days: no cost is counted so far.")
    bars: list[Bar] = []
    for index, day in enumerate(days):
        height = round(day.amount / top * _HEIGHT, 1)
        if height:
            tone = "warn" if day.stands_out else "info"
            bars.append(Bar(index * _STEP, round(_HEIGHT - height, 1), _WIDTH, height, tone))
        if day.usual is not None:
            y = min(_HEIGHT - 0.8, _HEIGHT * (1 - day.usual / top))
            bars.append(Bar(index * _STEP - 1, round(y, 1), _WIDTH + 2, 0.8, "edge"))
    return Chart(width, _HEIGHT, tuple(bars), _text(days, currency))


def _text(days: Sequence[Spent], currency: str) -> str:
    total, dearest = sum(day.amount for day in days), max(days, key=lambda day: day.amount)
    out = [f"{day.day:%-d %b}" for day in days if day.stands_out]
    said = f"far over the usual on {', '.join(out)}" if out else "no day stands out"
    return (
        f"Last {len(days)} days: {money(total)} {currency}, the dearest on"
        f" {dearest.day:%-d %b} with {money(dearest.amount)}; {said}."
    )


def money(amount: float) -> str:
    """Cents, and what is less than ten of them to the hundredth of one."""
    return f"{amount:,.4f}" if 0 < amount < 0.1 else f"{amount:,.2f}"
