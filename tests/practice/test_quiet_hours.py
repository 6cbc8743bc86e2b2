"""A client is texted while it is day where they are."""

from __future__ import annotations

from datetime import date

import phonenumbers
import pytest
from phonenumbers.geocoder import description_for_number

from mentalspace.practice.quiet_hours import quiet_hours, rule_of, rules_of_states

ON = date(2026, 11, 25)


@pytest.mark.parametrize(
    ("number", "on", "saturday", "sunday"),
    [
        ("+12025550142", ON, (480, 1260), (480, 1260)),
        ("+13055550142", ON, (480, 1200), (480, 1200)),
        ("+15125550142", ON, (540, 1260), (720, 1260)),
        ("+15125550142", date(2025, 8, 31), (480, 1260), (480, 1260)),
        ("+12255550142", ON, (480, 1200), None),
        ("+34612345678", ON, (480, 1260), (480, 1260)),
    ],
)
def test_a_states_own_rule_holds_from_its_day_on(
    number: str, on: date, saturday: tuple[int, int], sunday: tuple[int, int] | None
) -> None:
    """Where none is stricter, eight to nine."""
    assert rule_of(number, on).week[5:] == (saturday, sunday)


def test_area_codes_are_those_of_their_state() -> None:
    """Each is where the library's map has it, as far as that names a state; none stands twice."""
    seen: set[str] = set()
    for rule in rules_of_states():
        assert not rule.area_codes & seen
        seen |= rule.area_codes
        for code in rule.area_codes:
            where = description_for_number(phonenumbers.parse(f"+1{code}5550142"), "en")
            assert not where or "," in where or where.removesuffix(" State") == rule.state, code


@pytest.mark.parametrize(
    ("client", "practice", "number", "expected"),
    [
        ("America/Denver", "America/New_York", ("America/Chicago",), ("America/Denver",)),
        (None, "America/New_York", ("America/Chicago",), ("America/New_York",)),
        (None, "UTC", ("America/Chicago", "America/Denver"), ("America/Chicago", "America/Denver")),
        (None, "UTC", (), ("UTC",)),
    ],
)
def test_the_clock_is_the_clients_then_the_practices_then_the_numbers(
    client: str | None, practice: str, number: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """A practice on UTC has said no zone."""
    hours = quiet_hours(
        "+12025550142", ON, client_zone=client, practice_zone=practice, number_zones=number
    )
    assert hours.zones == expected
