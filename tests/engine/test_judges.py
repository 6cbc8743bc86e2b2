"""The kinds of rule beside rates and streaks: their states, and how each judges a figure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mentalspace.engine.runbook import (
    AlertKind,
    Op,
)
from mentalspace.engine.watch.absence import is_absent
from mentalspace.engine.watch.burn import Tried, burning
from mentalspace.engine.watch.cost import overspends
from mentalspace.engine.watch.gauge import is_beyond
from mentalspace.engine.watch.state import Past, State, next_state
from mentalspace.engine.watch.weeks import is_open, last_window
from tests.engine.books import DELIVERED, LOW
from tests.engine.rules import (
    ABSENT,
    BURN,
    COST,
    STANDS,
)

# The machine --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("judged", "fires", "past", "becomes"),
    [
        (True, True, Past(State.NORMAL, 0, False, 0), State.PENDING),
        (True, True, Past(State.PENDING, 119, False, 0), State.PENDING),
        (True, True, Past(State.PENDING, 120, False, 0), State.ALERTING),
        (True, False, Past(State.PENDING, 119, False, 0), State.NORMAL),
        (True, True, Past(State.RECOVERING, 5, True, 0), State.ALERTING),
        (False, False, Past(State.ALERTING, 5, True, 9), State.NO_DATA),
        (True, False, Past(State.ERROR, 900, True, 9), State.RECOVERING),
    ],
)
def test_what_must_hold_for_a_while_is_pending_first(
    judged: bool, fires: bool, past: Past, becomes: State
) -> None:
    """Patience is for what begins: what is open already alerts again at once."""
    assert next_state(STANDS, judged=judged, fires=fires, past=past) is becomes


# Judges -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("long", "short", "burns"),
    [
        (Tried(3, 4, 3), Tried(1, 1, 1), True),
        (Tried(3, 4, 3), Tried(0, 1), False),  # it is over
        (Tried(3, 4, 1), Tried(1, 1, 1), False),  # one person's three
        (Tried(2, 2, 2), Tried(2, 2, 2), False),  # too few to wake anybody
        (Tried(5, 20, 5), Tried(3, 3, 3), False),  # a quarter is under 28.8%
        (Tried(6, 20, 6), Tried(1, 3, 1), True),
    ],
)
def test_a_budget_burns_over_both_windows_and_beyond_chance(
    long: Tried, short: Tried, burns: bool
) -> None:
    """14.4 times what may fail is 28.8% at 98%."""
    assert (burning(BURN, 0.02, {3600: long, 300: short}) is not None) is burns


def test_money_needs_a_multiple_and_a_floor() -> None:
    """Cents double every day; dollars do not."""
    assert overspends(COST, 3.0, 1.0)
    assert not overspends(COST, 0.09, 0.01)
    assert not overspends(COST, 12.0, 8.0)


@pytest.mark.parametrize(
    ("value", "n", "bad", "fires"),
    [
        (0.75, 16, 4, True),
        (0.94, 16, 1, False),  # one of sixteen is chance
        (0.96, 1000, 40, False),  # beyond chance, and on the good side of the line
        (0.5, 100_000, None, True),  # no share: the line alone
        (0.5, 9, None, False),  # too little of it
        (None, 16, 4, False),
    ],
)
def test_a_rooms_figure_is_beyond_its_line_and_beyond_chance(
    value: float | None, n: int, bad: int | None, fires: bool
) -> None:
    """Of a share chance is asked; of anything else there must be enough."""
    lands = replace(LOW, kind=AlertKind.GAUGE, op=Op.BELOW, threshold=0.95, floor=10.0)
    metric = replace(DELIVERED, measure=None, gauge=True, target=0.99)
    assert is_beyond(replace(lands, healthy=0.99), metric, value, n, bad) is fires


def test_absence_needs_seven_to_be_missed() -> None:
    """Of seven that are usual none is chance once in a thousand hours; of six more often."""
    assert is_absent(ABSENT, 0, 7)
    assert not is_absent(ABSENT, 0, 6.5)
    assert not is_absent(ABSENT, 1, 50)
    assert not is_absent(ABSENT, 0, None)


def test_hours_and_weeks_are_the_practices_own() -> None:
    """Across a change of the clocks last week's nine o'clock is nine o'clock."""
    week = [[480, 1080]] * 5 + [None, None]
    monday = datetime(2026, 11, 2, 14, 0, tzinfo=UTC)  # 9:00 in New York, which is on EST again
    assert is_open(week, "America/New_York", monday)
    assert not is_open(week, "America/Los_Angeles", monday)
    assert not is_open(week, "America/New_York", monday - timedelta(days=1))
    assert last_window("America/New_York", monday, 3600, 1).until == datetime(
        2026, 10, 26, 13, 0, tzinfo=UTC
    )
    again = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)  # 1:30 in New York, for the second time
    assert last_window("America/New_York", again, 3600, 0).until == again
