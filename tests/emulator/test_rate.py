"""A provider's rate window."""

from __future__ import annotations

from mentalspace.emulator.rate import RateWindows


def test_the_window_refuses_what_is_over_and_opens_again() -> None:
    """Ten pass in a second, the eleventh does not, and the next second starts anew."""
    now = 100.0
    windows = RateWindows(monotonic=lambda: now)
    assert [windows.take("a", 10).remaining for _ in range(10)] == list(range(9, -1, -1))
    refused = windows.take("a", 10)
    assert (refused.allowed, refused.remaining, refused.reset_s) == (False, 0, 1)
    assert windows.take("b", 10).allowed
    now = 101.0
    assert windows.take("a", 10).remaining == 9


def test_another_consumer_takes_its_part_of_every_window() -> None:
    """With four a second used elsewhere, six of ten are left."""
    windows = RateWindows(monotonic=lambda: 5.0)
    assert sum(windows.take("a", 10, consumed=4).allowed for _ in range(10)) == 6
