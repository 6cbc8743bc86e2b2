"""When reminders are due, against an oracle that knows zones only as clocks to be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from mentalspace.practice.reminder import (
    DAY_MIN,
    Reminder,
    mistake_in_leads,
    plan_reminders,
    reminder_times,
)

# Four rules: the usual hour, another continent's days for it, half an hour in the south, none.
ZONES = ("America/New_York", "Europe/Madrid", "Australia/Lord_Howe", "America/Phoenix")
EACH = 2500
SEED = 20261125
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
FURTHEST = HOUR + 2 * MINUTE  # that a clock jumps
LEADS = (15, 60, 90, 120, 720, 1410, 1500, DAY_MIN, 2 * DAY_MIN, 3 * DAY_MIN, 7 * DAY_MIN)


def changes_of_clocks(zone: str) -> list[datetime]:
    """The instants of 2026 and 2027 at which the zone's clock jumps, found by looking at it."""
    hours = [datetime(2026, 1, 1, tzinfo=UTC) + n * HOUR for n in range(2 * 365 * 24)]
    offsets = [at.astimezone(ZoneInfo(zone)).utcoffset() for at in hours]
    return [at for at, a, b in zip(hours[1:], offsets, offsets[1:], strict=False) if a != b]


def shown(at: datetime, zone: str) -> datetime:
    """What a clock on the wall shows."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def days_before(starts_at: datetime, zone: str, days: int) -> datetime:
    """Go on minute by minute and look at the clock: the first minute that shows the hour, or,
    if none does, as long after the last one before as the clock would have taken."""
    wanted = shown(starts_at, zone) - timedelta(days=days)
    about = starts_at - timedelta(days=days)
    at = before = about - FURTHEST
    while (now := shown(at, zone)) != wanted:
        if at > about + FURTHEST:
            return before + (wanted - shown(before, zone))
        if now < wanted:
            before = at
        at += MINUTE
    return at


def oracle(starts_at: datetime, zone: str, leads: list[int], now: datetime) -> list[Reminder]:
    due = {
        lead: days_before(starts_at, zone, lead // DAY_MIN)
        if lead % DAY_MIN == 0
        else starts_at - lead * MINUTE
        for lead in leads
    }
    found = []
    for lead, at in due.items():
        if at <= now or any(due[other] == at for other in leads if other < lead):
            continue
        later = [instant for instant in due.values() if instant > at]
        found.append(Reminder(lead, at, min([*later, starts_at])))
    return sorted(found, key=lambda reminder: reminder.due_at)


@pytest.mark.parametrize("zone", ZONES)
def test_reminders_are_right_around_both_changes_of_clocks(zone: str) -> None:
    """2,500 random appointments in each of four zones, beside a change: each
    reminder is due on the very minute an observer of the client's clock would name."""
    random = Random(f"{SEED}{zone}")
    jumps = changes_of_clocks(zone)
    assert len(jumps) == (0 if zone == "America/Phoenix" else 4)
    around = jumps or changes_of_clocks("America/New_York")
    crossed = 0
    for _ in range(EACH):
        starts_at = random.choice(around) + random.randint(-2 * DAY_MIN, 8 * DAY_MIN) * MINUTE
        leads = random.sample(LEADS, random.randint(1, 5))
        now = starts_at - random.randint(60, 20 * DAY_MIN) * MINUTE
        seen = reminder_times(starts_at, zone, leads, now)
        assert list(seen) == oracle(starts_at, zone, leads, now), (zone, starts_at, leads, now)
        crossed += any(r.due_at <= jump < starts_at for r in seen for jump in jumps)
    assert crossed > EACH // 5 or not jumps


@pytest.mark.parametrize(
    ("zone", "starts", "lead_min", "due"),
    [
        # spring: the day before lies 23 hours back; 24 hours are not meant, 1410 minutes are
        ("America/New_York", "2027-03-14T10:00-04:00", 1440, "2027-03-13T10:00-05:00"),
        ("America/New_York", "2027-03-14T10:00-04:00", 1410, "2027-03-13T09:30-05:00"),
        # autumn: 25 hours
        ("America/New_York", "2027-11-07T10:00-05:00", 1440, "2027-11-06T10:00-04:00"),
        # 02:30 is skipped the day before, and is 01:30 twice
        ("America/New_York", "2027-03-15T02:30-04:00", 1440, "2027-03-14T03:30-04:00"),
        ("America/New_York", "2027-11-08T01:30-05:00", 1440, "2027-11-07T01:30-04:00"),
        ("Australia/Lord_Howe", "2027-04-05T09:00+10:30", 10080, "2027-03-29T09:00+11:00"),
        ("America/Phoenix", "2027-03-14T10:00-07:00", 1440, "2027-03-13T10:00-07:00"),
    ],
)
def test_days_follow_the_clock_on_the_wall(zone: str, starts: str, lead_min: int, due: str) -> None:
    """Examples a person can check with a calendar."""
    [reminder] = plan_reminders(datetime.fromisoformat(starts), zone, [lead_min])
    assert reminder.due_at == datetime.fromisoformat(due)


def test_a_reminder_ends_when_the_next_is_due() -> None:
    """Each is pointless from the next one's time on, the last from the appointment's."""
    starts_at = datetime(2026, 6, 10, 15, tzinfo=UTC)
    week, day, hours = plan_reminders(starts_at, "UTC", [120, 10080, 1440])
    assert (week.expires_at, day.expires_at) == (day.due_at, hours.due_at)
    assert hours.expires_at == starts_at
    assert plan_reminders(starts_at, "UTC", []) == ()


def test_two_leads_on_one_instant_are_one_reminder() -> None:
    """On a day of 23 hours a day before and 23 hours before are the same moment."""
    starts_at = datetime.fromisoformat("2027-03-14T10:00-04:00")
    [one] = plan_reminders(starts_at, "America/New_York", [1440, 1380])
    assert one.lead_min == 1380


@pytest.mark.parametrize(
    ("leads", "says"),
    [
        ([], None),
        ([15, 43200], None),
        ([15, 30, 60, 120, 1440, 10080], "5 reminders at most"),
        ([60, 60], "at the same time"),
        ([14], "between 15 minutes and 30 days"),
        ([43201], "between 15 minutes and 30 days"),
    ],
)
def test_leads_are_checked(leads: list[int], says: str | None) -> None:
    """Five at most, none twice, none too short or too long."""
    mistake = mistake_in_leads(leads)
    assert mistake is None if says is None else says in str(mistake)
