"""A demo's day shows texts: some clients agreed to them, and each kind of telephone answers so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from random import Random

from mentalspace.engine.hours import next_opening
from mentalspace.integrations.sms.number import normalise
from mentalspace.practice.quiet_hours import quiet_hours
from mentalspace.workflows.demo import demo_day
from mentalspace.workflows.demo_texts import AGREED, DEMO_OPTIONS, ZONES, phone_of, zone_of
from tests.practice.office import Office

PEOPLE = 180
TEXTED = range(AGREED * len(ZONES))


def test_every_fate_is_somebodys_and_at_any_hour_somebody_may_be_texted() -> None:
    """Each has a number of their own that can be dialled; of those who agreed to texts one in the
    zones that are awake gets each fate, summer and winter, weekdays and Sundays. One leaves, so
    that no rule takes the demo's words for what drives people away."""
    numbers = [normalise(phone_of(person).reveal()).e164 for person in range(PEOPLE)]
    assert len(set(numbers)) == PEOPLE
    fates = DEMO_OPTIONS["sms", "twilio"]["fates"]
    assert {"answer:1", "stop", "30003", "30006"} < set(fates.values())
    leaving = [pattern for pattern, fate in fates.items() if fate == "stop"]
    left = [number for number in numbers if any(fnmatch(number, one) for one in leaving)]
    assert len(left) / len(TEXTED) < 0.02
    for start in (datetime(2026, 1, 4, tzinfo=UTC), datetime(2026, 7, 6, tzinfo=UTC)):
        for at in (start + timedelta(hours=hour) for hour in range(24)):
            awake = [
                numbers[person]
                for person in TEXTED
                if next_opening(
                    quiet_hours(
                        numbers[person],
                        at.date(),
                        client_zone=zone_of(person),
                        practice_zone="America/New_York",
                    ),
                    at,
                )
                == at
            ]
            for pattern in fates.keys() - leaving:
                assert any(fnmatch(number, pattern) for number in awake), (at, pattern)
            assert any(not any(fnmatch(number, p) for p in fates) for number in awake)


async def test_who_agreed_is_texted_and_what_they_say_later_holds(office: Office) -> None:
    """One entry in the ledger each, however often they come; their news goes by text."""
    random = Random(7)
    for _turn in range(40):
        await demo_day(office.services, random)
    rows = await office.fetch(
        "select c.id, c.changes_by, count(distinct e.id) as entries, count(distinct n.id) as texts,"
        " count(distinct a.id) as visits from client c join appointment a on a.client_id = c.id"
        " left join consent_entry e on e.client_id = c.id and e.what = 'agreed'"
        " left join notification_logs n on n.recipient_id = c.id and n.occasion = 'created'"
        " group by c.id"
    )
    texted = [row for row in rows if row["changes_by"] == "text"]
    assert len(rows) > len(texted) > 5
    assert any(row["visits"] > 1 for row in texted)
    assert all(row["entries"] == 1 and row["texts"] == row["visits"] for row in texted)
    assert all(row["entries"] == 0 == row["texts"] for row in rows if row not in texted)
