"""The pace against a provider that counts: all of what it allows, and nothing it refuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest

from mentalspace.emulator.rate import RateWindows
from mentalspace.engine.limiter import Pace, Slot
from mentalspace.kernel.rate import RateLeft, rate_left

MINUTE_S = 60.0


@dataclass(slots=True)
class Road:
    """Time, the provider at the end of the road, and the answers under way. Instants are seconds.

    A request arrives up to `late_s` after its slot; its answer is back up to `slow_s` later.
    """

    random: Random
    late_s: float
    slow_s: float
    limit: int = 10
    others: int = 0
    now: float = 0.0
    accepted: int = 0
    refused: int = 0
    answers: list[tuple[float, Slot, RateLeft]] = field(default_factory=list)
    windows: RateWindows = field(init=False)

    def __post_init__(self) -> None:
        self.windows = RateWindows(monotonic=lambda: self.now)

    def send(self, slot: Slot) -> None:
        self.now = max(self.now, slot.at) + self.random.uniform(0.0005, self.late_s)
        told = self.windows.take("a", self.limit, self.others)
        self.accepted += told.allowed
        self.refused += not told.allowed
        back_at = self.now + self.random.uniform(0.001, self.slow_s)
        self.answers.append((back_at, slot, RateLeft(told.limit, told.remaining)))


def drive(road: Road, pace: Pace, seconds: float, ahead_s: float = 0.2) -> Pace:
    """Send whenever the pace allows, reserving so far ahead, and let it hear each answer."""
    ends = road.now + seconds
    looked = road.now
    while True:
        slot, taken = pace.next_slot(looked)
        if slot.at > ends:
            return pace
        looked = max(looked, slot.at - ahead_s)
        heard = sorted(answer for answer in road.answers if answer[0] <= looked)
        if heard:
            for at, answered, rate in heard:
                pace = pace.heard(answered, rate, at)
            road.answers = [answer for answer in road.answers if answer[0] > looked]
            continue
        pace = taken
        road.send(slot)


@pytest.mark.parametrize("seed", range(20))
def test_all_of_the_allowance_and_no_refusal(seed: int) -> None:
    """Sixty seconds at ten a second, over a road that delays each request as it likes by up to
    fifteen milliseconds: at least 99 % of what is allowed is used, and nothing is refused."""
    road = Road(Random(seed), late_s=0.006, slow_s=0.009)
    drive(road, Pace(per_s=10, burst=1, next_at=0.0), MINUTE_S)
    assert road.refused == 0
    assert road.accepted >= 0.99 * 10 * MINUTE_S


@pytest.mark.parametrize("seed", range(5))
def test_a_bad_road_costs_speed_and_no_refusal(seed: int) -> None:
    """With answers that take up to a third of a second it goes slower, and still without one."""
    road = Road(Random(seed), late_s=0.04, slow_s=0.3)
    drive(road, Pace(per_s=10, burst=1, next_at=0.0), MINUTE_S)
    assert road.refused == 0
    assert road.accepted >= 0.8 * 10 * MINUTE_S


def test_a_lower_limit_than_ours_is_obeyed_while_it_holds() -> None:
    """The provider names four a second: after its first word no more than that leaves; when it
    names ten again, ten do."""
    road = Road(Random(1), late_s=0.005, slow_s=0.008, limit=4)
    pace = drive(road, Pace(per_s=10, burst=1, next_at=0.0), 10)
    assert road.refused == 0
    assert 36 <= road.accepted <= 44
    road.limit, road.accepted = 10, 0
    drive(road, pace, 10)
    assert 90 <= road.accepted <= 100


def test_no_more_than_ours_whatever_is_allowed() -> None:
    """A provider that allows more than we were told to use does not make us faster."""
    road = Road(Random(1), late_s=0.005, slow_s=0.008, limit=50)
    drive(road, Pace(per_s=10, burst=1, next_at=0.0), 10)
    assert 95 <= road.accepted <= 102


@pytest.mark.parametrize("others", [3, 6, 9])
def test_another_consumer_slows_us_before_a_refusal(others: int) -> None:
    """Somebody else takes most of each second: what remains tells, and once the first second is
    over nothing is refused. When they stop, we are back within two seconds."""
    road = Road(Random(1), late_s=0.005, slow_s=0.008, others=others)
    pace = drive(road, Pace(per_s=10, burst=1, next_at=0.0), 2)
    road.accepted = road.refused = 0
    pace = drive(road, pace, 20)
    assert road.refused == 0
    assert road.accepted >= 0.95 * 20 * (10 - others)
    road.others, road.accepted = 0, 0
    drive(road, pace, 10)
    assert road.accepted >= 80


def test_without_a_word_from_the_provider_it_is_our_own_rate() -> None:
    """A provider without such headers is sent to at the credential's rate."""
    pace, left = Pace(per_s=20, burst=1, next_at=0.0), []
    for _ in range(100):
        slot, pace = pace.next_slot(0.0)
        left.append(slot.at)
    assert left[-1] == pytest.approx(99 / 20)


def test_what_weighs_more_leaves_more_room_behind_it() -> None:
    """At ten a second, one of three is followed by three tenths of a second."""
    pace, left = Pace(per_s=10, burst=1, next_at=0.0), []
    for weight in (1, 3, 1, 2, 1):
        slot, pace = pace.next_slot(0.0, weight)
        left.append(slot.at)
    assert left == pytest.approx([0, 0.1, 0.4, 0.5, 0.7])


def test_headers_are_read() -> None:
    """Limit, remaining and the policy's window, as recorded; what is unreadable is no word."""
    headers = {"ratelimit-limit": "20", "ratelimit-remaining": "3", "ratelimit-policy": "20;w=2"}
    assert rate_left(headers) == RateLeft(20, 3, 2.0)
    assert rate_left({**headers, "ratelimit-policy": "odd"}) == RateLeft(20, 3, 1.0)
    assert rate_left({**headers, "ratelimit-remaining": "-1"}) is None
    assert rate_left({**headers, "ratelimit-limit": "0"}) is None
    assert rate_left({}) is None
