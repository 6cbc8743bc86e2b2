"""When reminders by text leave, against an oracle that knows zones only as clocks to be read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest

from mentalspace.engine.hours import next_opening
from mentalspace.practice.quiet_hours import quiet_hours, rule_of
from mentalspace.practice.reminder import DAY_MIN, reminder_times
from tests.practice.test_reminder_times import HOUR, MINUTE, changes_of_clocks, oracle, shown

# Four zones that keep a summer time: two days of each year, in two hemispheres, by half an hour.
ZONES = ("America/New_York", "America/Los_Angeles", "Europe/Madrid", "Australia/Lord_Howe")
# All states' rule; until eight; on Sundays from noon; never on Sundays.
NUMBERS = ("+12025550142", "+13055550142", "+15125550142", "+12255550142")
EACH = 2500
SEED = 20261128
LEADS = (60, 120, 600, 720, 1410, 1500, DAY_MIN, 2 * DAY_MIN, 3 * DAY_MIN)
# Around a change: what an appointment lies after it, how far a reminder lies before that, and how
# long it can wait for a Monday.
SPAN = timedelta(days=7)
ON = date(2027, 1, 1)


@dataclass
class Clocks:
    """Which minutes around a change are open, by looking at the clocks of each."""

    walls: dict[tuple[str, datetime], list[datetime]] = field(default_factory=dict)
    open_minutes: dict[tuple[tuple[str, ...], str, datetime], list[datetime]] = field(
        default_factory=dict
    )

    def first_open(
        self, zones: tuple[str, ...], number: str, change: datetime, at: datetime
    ) -> datetime:
        key = (zones, number, change)
        if key not in self.open_minutes:
            self.open_minutes[key] = list(self._open(zones, number, change))
        found = self.open_minutes[key]
        return found[bisect_left(found, at)]

    def _open(self, zones: tuple[str, ...], number: str, change: datetime) -> list[datetime]:
        week = rule_of(number, ON).week
        minutes = range(-int(SPAN / MINUTE), int(SPAN / MINUTE))
        for zone in zones:
            if (zone, change) not in self.walls:
                self.walls[zone, change] = [shown(change + n * MINUTE, zone) for n in minutes]
        return [
            change + n * MINUTE
            for place, n in enumerate(minutes)
            if all(is_day(week, self.walls[zone, change][place]) for zone in zones)
        ]


def is_day(week: tuple[tuple[int, int] | None, ...], wall: datetime) -> bool:
    window = week[wall.weekday()]
    return window is not None and window[0] <= wall.hour * 60 + wall.minute < window[1]


@pytest.mark.parametrize("zone", ZONES)
def test_texts_leave_on_the_right_minute_on_both_days_of_a_change(zone: str) -> None:
    """2,500 random appointments in each of four zones, around both changes of clocks: each reminder
    is due on the minute that an observer of the client's clock names, and leaves on the first one
    from then on that their clock and their state's rule call day."""
    random = Random(f"{SEED}{zone}")
    clocks, jumps = Clocks(), changes_of_clocks(zone)
    assert len(jumps) == 4
    seen: Mapping[str, set[datetime]] = {"due": set(), "left": set(), "waited": set()}
    for _ in range(EACH):
        change, number = random.choice(jumps), random.choice(NUMBERS)
        starts_at = change + random.randint(-DAY_MIN, 4 * DAY_MIN) * MINUTE
        leads = random.sample(LEADS, random.randint(1, 3))
        now = starts_at - random.randint(60, 6 * DAY_MIN) * MINUTE
        hours = quiet_hours(number, ON, client_zone=zone, practice_zone="UTC")
        reminders = reminder_times(starts_at, zone, leads, now)
        assert list(reminders) == oracle(starts_at, zone, leads, now)
        for reminder in reminders:
            leaves_at = next_opening(hours, reminder.due_at)
            wanted = clocks.first_open((zone,), number, change, reminder.due_at)
            assert leaves_at == wanted, (zone, number, starts_at, reminder)
            for name, at in (("due", reminder.due_at), ("left", leaves_at)):
                if shown(at, zone).date() == shown(change, zone).date():
                    seen[name].add(change)
            if reminder.due_at < change < leaves_at:
                seen["waited"].add(change)
    # Each of both days, in each year: due on it, leaving on it, and waiting through the change.
    assert all(changes == set(jumps) for changes in seen.values()), seen


def test_a_number_of_two_zones_waits_for_both() -> None:
    """Where only the number says where its owner is, every clock of its area must show day, on the
    night of a change as well."""
    zones = ("America/New_York", "America/Los_Angeles")
    clocks, random = Clocks(), Random(SEED)
    for change in changes_of_clocks(zones[0]):
        for _ in range(100):
            at = change + random.randint(-2 * DAY_MIN, 2 * DAY_MIN) * MINUTE
            hours = quiet_hours(
                NUMBERS[0], ON, client_zone=None, practice_zone="UTC", number_zones=zones
            )
            assert next_opening(hours, at) == clocks.first_open(zones, NUMBERS[0], change, at)


@pytest.mark.parametrize(
    ("starts", "lead_min", "number", "leaves"),
    [
        # due on Saturday at 22:00, an hour of the night is skipped: eight in summer time
        ("2027-03-14T09:00-04:00", 600, NUMBERS[0], "2027-03-14T08:00-04:00"),
        # an hour comes twice: eight in winter time, one hour later than a day of 24 hours has it
        ("2027-11-07T09:00-05:00", 720, NUMBERS[0], "2027-11-07T08:00-05:00"),
        # the change is on a Sunday: from noon in Texas, not before Monday in Louisiana
        ("2027-03-14T15:00-04:00", 600, NUMBERS[2], "2027-03-14T12:00-04:00"),
        ("2027-03-15T12:00-04:00", DAY_MIN, NUMBERS[3], "2027-03-15T08:00-04:00"),
    ],
)
def test_examples_a_person_can_check(starts: str, lead_min: int, number: str, leaves: str) -> None:
    """In New York, on the days of 2027 on which the clocks change."""
    starts_at, zone = datetime.fromisoformat(starts), "America/New_York"
    [reminder] = reminder_times(starts_at, zone, [lead_min], starts_at - 20 * 24 * HOUR)
    hours = quiet_hours(number, ON, client_zone=zone, practice_zone="UTC")
    assert next_opening(hours, reminder.due_at) == datetime.fromisoformat(leaves).astimezone(UTC)
