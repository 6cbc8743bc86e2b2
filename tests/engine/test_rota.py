"""Rotations by the wall clock: exactly one person at every minute, whatever the clocks do."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mentalspace.engine.rota import (
    Layer,
    Override,
    gaps,
    instant,
    next_hand_over,
    on_call,
    shifts,
)

ADA, NOOR, SAM = (UUID(int=number) for number in (1, 2, 3))
LAYER = UUID(int=9)
MINUTE = timedelta(minutes=1)
ZONES = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")


def layer(
    zone: str = "America/New_York",
    hand_over: time = time(9),
    every_days: int = 7,
    starts_on: date = date(2026, 1, 5),
    ends_on: date | None = None,
    people: tuple[UUID, ...] = (ADA, NOOR, SAM),
    layer_id: UUID = LAYER,
) -> Layer:
    return Layer(
        layer_id, "oncall", "First", 1, zone, hand_over, every_days, starts_on, ends_on, people
    )


def override(start: datetime, end: datetime, person: UUID = SAM, made: int = 1) -> Override:
    made_at = datetime(2026, 1, 1, tzinfo=UTC) + made * MINUTE
    return Override(UUID(int=made), LAYER, person, start, end, made_at, "ada", "")


def walk(
    zone: str, hand_over: time, every_days: int, starts_on: date, since: datetime, minutes: int
) -> list[int]:
    """The oracle: looks at a clock on the wall once a minute and counts the days whose hour of
    hand-over it has shown or passed; what it has seen once stays seen when it is put back."""
    there, seen, turns = ZoneInfo(zone), datetime.min, []
    begins = datetime.combine(starts_on, hand_over)
    for minute in range(minutes):
        shown = (since + minute * MINUTE).astimezone(there).replace(tzinfo=None)
        seen = max(seen, shown)
        turns.append((seen - begins) // timedelta(days=every_days))
    return turns


@pytest.mark.parametrize(
    ("zone", "hand_over", "every_days", "days"),
    [
        ("America/New_York", time(2, 30), 1, 365),  # left out once, and twice in one night
        ("Australia/Lord_Howe", time(2, 15), 3, 95),  # whose clocks go back by half an hour
    ],
)
def test_one_person_at_every_minute_of_a_year(
    zone: str, hand_over: time, every_days: int, days: int
) -> None:
    """Through the changes of the clocks, every minute is exactly one person's, the one that a look
    at the wall says."""
    rota = layer(zone, hand_over, every_days, date(2026, 1, 5))
    since = datetime(2026, 1, 8, tzinfo=UTC)
    until = since + timedelta(days=days)
    told = list(shifts(rota, [], since, until))
    assert (told[0].starts_at, told[-1].ends_at) == (since, until)
    assert all(a.ends_at == b.starts_at for a, b in pairwise(told))
    starts = [shift.starts_at for shift in told]
    turns = walk(zone, hand_over, every_days, rota.starts_on, since, days * 24 * 60)
    for minute, turn in enumerate(turns):
        at = since + minute * MINUTE
        shift = told[bisect_right(starts, at) - 1]
        assert shift.person_id == rota.people[turn % 3], at
        if minute % 97 == 0:
            assert on_call(rota, [], at) == shift.person_id


@settings(max_examples=25)
@given(
    zone=st.sampled_from(ZONES),
    hand_over=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    every_days=st.integers(1, 14),
    day=st.dates(date(2026, 1, 20), date(2027, 1, 20)),
)
@example("America/New_York", time(2, 30), 1, date(2026, 3, 8))
@example("America/New_York", time(1, 30), 1, date(2026, 11, 1))
@example("Europe/Berlin", time(0, 0), 7, date(2026, 10, 25))
def test_any_rotation_agrees_with_the_clock_on_the_wall(
    zone: str, hand_over: time, every_days: int, day: date
) -> None:
    """Whatever zone, hour and length, three days' minutes agree with the oracle."""
    rota = layer(zone, hand_over, every_days, date(2026, 1, 5))
    since = datetime.combine(day, time(), UTC) - timedelta(days=1)
    turns = walk(zone, hand_over, every_days, rota.starts_on, since, 3 * 24 * 60)
    for minute in range(0, len(turns), 7):
        assert rota.turn_at(since + minute * MINUTE) == turns[minute]


def test_an_hour_that_is_left_out_hands_over_at_the_leap() -> None:
    """Half past two of the spring's night is when the clocks go from two to three."""
    leap = datetime(2026, 3, 8, 7, 0, tzinfo=UTC)
    assert instant(date(2026, 3, 8), time(2, 30), "America/New_York") == leap


def test_an_hour_that_comes_twice_hands_over_once() -> None:
    """Half past one of the autumn's night is the first of the two."""
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert instant(date(2026, 11, 1), time(1, 30), "America/New_York") == first


def test_an_override_holds_while_it_lasts_and_the_last_one_wins() -> None:
    """Before and after it the rotation goes on as if nothing had been."""
    rota = layer(zone="UTC", hand_over=time(9), every_days=1, starts_on=date(2026, 6, 1))
    at = datetime(2026, 6, 2, 12, tzinfo=UTC)
    first = override(at, at + timedelta(hours=4), ADA, made=1)
    later = override(at + timedelta(hours=1), at + timedelta(hours=2), SAM, made=2)
    told = list(shifts(rota, [first, later], at - MINUTE, at + timedelta(hours=5)))
    assert [shift.person_id for shift in told] == [NOOR, ADA, SAM, ADA, NOOR]
    assert on_call(rota, [first, later], at + timedelta(hours=4)) == NOOR
    following = next_hand_over(rota, [first, later], at, timedelta(days=1))
    assert following is not None
    assert (following.person_id, following.starts_at) == (SAM, at + timedelta(hours=1))


def test_nobody_before_the_first_turn_and_after_the_end_is_a_gap() -> None:
    """A target's gaps are where none of its layers has anybody; an override fills one."""
    first = layer(zone="UTC", starts_on=date(2026, 6, 2), ends_on=date(2026, 6, 9))
    second = layer(zone="UTC", starts_on=date(2026, 6, 11), people=(SAM,), layer_id=UUID(int=8))
    since, until = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 14, tzinfo=UTC)
    nine = timedelta(hours=9)
    day = timedelta(days=1)
    assert gaps([first, second], [], since, until) == [
        (since, since + day + nine),
        (since + 8 * day + nine, since + 10 * day + nine),
    ]
    fill = override(since + 8 * day, since + 11 * day)
    assert gaps([first, second], [fill], since, until) == [(since, since + day + nine)]
