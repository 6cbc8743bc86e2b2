"""When what waits for its hours may leave: on the practice's clock, and in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mentalspace.engine.mornings import Morning, hour_at, place, together

NIGHT = datetime(2026, 11, 29, 4, 30, tzinfo=UTC)  # Saturday, half past eleven in New York
EIGHT = datetime(2026, 11, 29, 13, 0, tzinfo=UTC)
EAST = "America/New_York"


def test_the_hour_is_the_practices_and_utc() -> None:
    assert hour_at(EIGHT, EAST, NIGHT) == "Sun 08:00 in New York (13:00 UTC)"
    assert hour_at(EIGHT, EAST, NIGHT + timedelta(hours=1)) == "08:00 in New York (13:00 UTC)"
    assert hour_at(EIGHT, "UTC", NIGHT) == "13:00 UTC"
    tokyo = hour_at(NIGHT + timedelta(hours=19), "Asia/Tokyo", NIGHT)
    assert tokyo == "Mon 08:30 in Tokyo (Sun 23:30 UTC)"
    assert place("America/Argentina/Buenos_Aires") == "Buenos Aires"


def test_several_mornings_are_told_from_the_first_to_the_last() -> None:
    one = Morning(EIGHT, EIGHT, EAST, NIGHT + timedelta(hours=1))
    west = EIGHT + timedelta(hours=3)
    other = Morning(west, west, "America/Los_Angeles", one.now)
    assert one.words == "from 08:00 in New York (13:00 UTC)"
    both = together([None, other, one])
    assert both is not None
    assert both.words == (
        "from 08:00 in New York (13:00 UTC), the last from 11:00 in New York (16:00 UTC)"
    )
    assert together([None]) is None
