"""How often everybody is looked at, by what looking took."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mentalspace.engine.runbook import AlertKind
from mentalspace.engine.watch.pace import Pace
from tests.engine.books import LOW
from tests.engine.rules import FAILING

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("took_s", "apart_s"), [(0.01, 5.0), (0.5, 10.0), (0.8, 16.0), (60.0, 20.0)]
)
def test_the_longer_a_look_at_everybody_takes_the_later_is_the_next(
    took_s: float, apart_s: float
) -> None:
    """A twentieth of the time, though never put off for long."""
    pace = Pace()
    assert pace.unseen_s(NOON) is None, "the first one is due at once"
    ended = NOON + timedelta(seconds=took_s)
    pace.tick_at = NOON
    pace.note_whole(NOON, ended)
    before, due = (ended + timedelta(seconds=apart_s + more) for more in (-0.1, 0.1))
    assert pace.unseen_s(before) == pytest.approx(took_s + apart_s - 0.1)
    assert pace.unseen_s(due) is None


def test_a_rule_that_counted_for_long_counts_later() -> None:
    """Half a second every hundred, though within five minutes; another is as soon as ever."""
    pace, other = Pace(), replace(LOW, id="toy.other")
    before = pace.every_s(LOW)
    pace.note_turn(LOW, 0.5)
    assert (before, pace.every_s(LOW), pace.every_s(other)) == (5.0, 100.0, before)
    pace.note_turn(LOW, 60.0)
    assert pace.every_s(LOW) == 300.0
    pace.note_turn(LOW, 0.001)
    assert pace.every_s(LOW) == before


def test_what_looks_at_failures_looks_as_soon_however_long_it_took() -> None:
    assert FAILING.kind is not AlertKind.RATE
    pace = Pace()
    before = pace.every_s(FAILING)
    pace.note_turn(FAILING, 60.0)
    assert pace.every_s(FAILING) == before


def test_whoever_may_look_at_once_always_may() -> None:
    pace = Pace(soonest_s=0.0)
    pace.note_turn(LOW, 60.0)
    pace.note_whole(NOON, NOON + timedelta(minutes=1))
    assert pace.unseen_s(NOON + timedelta(minutes=1)) is None
    assert pace.every_s(LOW) == LOW.window_s / 720
