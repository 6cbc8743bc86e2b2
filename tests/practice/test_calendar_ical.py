"""Events of a calendar program: who the client is, which version counts, what its zones mean."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mentalspace.kernel.phi import Phi
from tests.practice.test_calendar_file import (
    CUSTOM_ZONE,
    NEW_YORK,
    codes,
    event,
    ical,
    only,
    read,
)


def test_attendee_is_the_client() -> None:
    """The guest who is neither organizer, chair nor room is the client."""
    file = ical(
        event(
            "SUMMARY:Therapy",
            "ORGANIZER:mailto:Clinician@demo.example",
            "ATTENDEE;CN=Ada:MAILTO:clinician@demo.example",
            "ATTENDEE;CUTYPE=ROOM:mailto:room@demo.example",
            'ATTENDEE;CN="Lopez, Maria":mailto:maria%2Eb@client.example',
        )
    )
    row = only(file)
    assert row.client_name.reveal() == "Lopez, Maria"
    assert row.client_email == Phi("maria.b@client.example")
    assert row.clinician_email == "Clinician@demo.example"


def test_client_identifier_is_stable() -> None:
    """One client keeps one identifier over files: by address, else by name in any spelling."""
    guest = "ATTENDEE;CN=Maria:mailto:Maria@client.example"
    first = only(ical(event(guest)))
    second = only(ical(event(guest.replace("Maria", "maria"), uid="E-9")))
    assert first.client_external_id == second.client_external_id
    named = only(ical(event("SUMMARY:JOSÉ  Núñez")))
    again = only(ical(event("SUMMARY:Jose\u0301 núñez", uid="E-9")))
    assert named.client_external_id == again.client_external_id != first.client_external_id
    assert named.client_external_id.startswith("ical:")


def test_cancelled() -> None:
    """An event is cancelled by its status, or with its whole calendar by METHOD:CANCEL."""
    assert only(ical(event("STATUS:CANCELLED"))).status == "cancelled"
    assert only(ical(event(), before="METHOD:CANCEL")).status == "cancelled"
    assert only(ical(event("STATUS:TENTATIVE"), before="METHOD:PUBLISH")).status == "scheduled"


def test_newest_version_wins() -> None:
    """Of one event's versions the highest SEQUENCE counts, even where only an older one is good."""
    old, new = event("SEQUENCE:1"), event("SEQUENCE:2", start="DTSTART:20261202T140000Z")
    for order in ((old, new), (new, old)):
        file = ical(*order)
        assert only(file).starts_at.day == 2
        assert file.merged == 1
    file = ical(old, event("SEQUENCE:2", start="DTSTART:soon"))
    assert not file.rows
    assert codes(file.bad[0]) == [("DTSTART", "not_a_time")]


def test_version_without_a_number() -> None:
    """A version whose number cannot be read is kept to be corrected beside the newest."""
    file = ical(event("SEQUENCE:2"), event("SEQUENCE:new"))
    assert len(file.rows) == 1
    assert codes(file.bad[0]) == [("SEQUENCE", "not_a_number")]


def test_calendars_in_one_file_are_apart() -> None:
    """Each calendar of a file has its own method and its own zones."""
    start = "DTSTART;TZID=Ours:20260701T090000"
    other = CUSTOM_ZONE.replace("-0400", "+0800")
    parts = [
        "BEGIN:VCALENDAR", "METHOD:CANCEL", CUSTOM_ZONE, event(start=start), "END:VCALENDAR",
        "BEGIN:VCALENDAR", other, event(start=start, uid="E-2"), "END:VCALENDAR",
    ]  # fmt: skip
    file = read("\n".join(parts), "a.ics")
    assert [(row.starts_at.hour, row.status) for row in file.rows] == [
        (13, "cancelled"),
        (1, "scheduled"),
    ]


def test_folded_inside_a_character() -> None:
    """A line folded between the two bytes of an accent is put together again."""
    folded = event("SUMMARY:Jose\u0301").encode().replace(b"\xcc\x81", b"\xcc\r\n \x81")
    file = read(b"BEGIN:VCALENDAR\r\n" + folded + b"\r\nEND:VCALENDAR\r\n", "a.ics")
    assert only(file).client_name.reveal() == "Jose\u0301"


def test_cut_off_events() -> None:
    """An event without its end is kept to be corrected, and the next one still lands."""
    cut = event().removesuffix("END:VEVENT").rstrip()
    file = ical(cut, event(uid="E-2"), cut)
    assert [row.external_id for row in file.rows] == ["E-2"]
    assert [codes(bad) for bad in file.bad] == [[("row", "cut_off")]] * 2
    assert "VCALENDAR" not in file.bad[1].raw.reveal()


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("20260308T013000", "03-08 06:30"),
        ("20260308T023000", "03-08 07:30"),
        ("20260308T033000", "03-08 07:30"),
        ("20261101T003000", "11-01 04:30"),
        ("20261101T013000", "11-01 05:30"),
        ("20261101T023000", "11-01 07:30"),
    ],
)
@pytest.mark.parametrize("zone", ["Ours", NEW_YORK])
def test_clock_changes_follow_the_standard(zone: str, local: str, utc: str) -> None:
    """In a named zone a doubled time is its first, a skipped one keeps the offset before."""
    row = only(ical(event(start=f"DTSTART;TZID={zone}:{local}"), before=CUSTOM_ZONE))
    assert f"{row.starts_at:%m-%d %H:%M}" == utc


def test_zone_of_another_file_is_forgotten() -> None:
    """A zone that one file defines says nothing in the next."""
    here = event(start="DTSTART;TZID=Ours:20260701T090000")
    assert ical(here, before=CUSTOM_ZONE).rows
    assert codes(ical(here).bad[0]) == [("DTSTART", "unknown_zone")]


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ("FREQ=YEARLY", "FREQ=SECONDLY"),
        ("BYMONTH=3", "BYMONTH=13"),
        ("BYDAY=1SU", "BYDAY=SUN"),
        ("TZOFFSETTO:-0400", "TZOFFSETTO:-2400"),
        ("DTSTART:20001101T020000", "DTSTART:20001301T020000"),
        ("TZOFFSETFROM:-0400", "X-NOTHING:1"),
    ],
)
def test_unusable_zone_definition(there: str, instead: str) -> None:
    """A zone whose definition is broken, or is no yearly rule, is not guessed at."""
    assert there in CUSTOM_ZONE
    broken = CUSTOM_ZONE.replace(there, instead)
    file = ical(event(start="DTSTART;TZID=Ours:20260701T090000"), before=broken)
    assert codes(file.bad[0]) == [("DTSTART", "unknown_zone")]


def test_zone_rules_end() -> None:
    """A rule ends with its UNTIL, written in UTC a day before the local one; dates are listed."""
    zone = """BEGIN:VTIMEZONE
TZID:Ours
BEGIN:DAYLIGHT
DTSTART:20100926T020000
RRULE:FREQ=YEARLY;BYMONTH=9;BYDAY=-1SU;UNTIL=20110924T140000Z
TZOFFSETFROM:+1200
TZOFFSETTO:+1300
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:20110403T030000
RDATE:20120401T030000
TZOFFSETFROM:+1300
TZOFFSETTO:+1200
END:STANDARD
END:VTIMEZONE"""
    hours = []
    for day in ("20110501", "20111001", "20120501", "20121201"):
        row = only(ical(event(start=f"DTSTART;TZID=Ours:{day}T150000"), before=zone))
        hours.append(row.starts_at.hour)
    assert hours == [3, 2, 3, 3]


DEFINED = {
    NEW_YORK: "-0500 -0400 BYMONTH=3;BYDAY=2SU 02 BYMONTH=11;BYDAY=1SU 02",
    "Europe/London": "+0000 +0100 BYMONTH=3;BYDAY=-1SU 01 BYMONTH=10;BYDAY=-1SU 02",
    "Australia/Sydney": "+1000 +1100 BYMONTH=10;BYDAY=1SU 02 BYMONTH=4;BYDAY=1SU 03",
    "America/Havana": "-0500 -0400 BYMONTH=3;BYMONTHDAY=8,9,10,11,12,13,14;BYDAY=SU 00 "
    "BYMONTH=11;BYDAY=1SU 01",
}


def definition(zone: str) -> str:
    standard, daylight, spring, spring_hour, autumn, autumn_hour = DEFINED[zone].split()
    return f"""BEGIN:VTIMEZONE
TZID:Ours
BEGIN:STANDARD
DTSTART:00010101T{autumn_hour}0000
RRULE:FREQ=YEARLY;{autumn}
TZOFFSETFROM:{daylight}
TZOFFSETTO:{standard}
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:00010101T{spring_hour}0000
RRULE:FREQ=YEARLY;{spring}
TZOFFSETFROM:{standard}
TZOFFSETTO:{daylight}
END:DAYLIGHT
END:VTIMEZONE"""


@given(
    st.sampled_from(sorted(DEFINED)),
    st.datetimes(datetime(2014, 1, 1), datetime(2099, 12, 31)),
)
def test_defined_zone_agrees_with_the_database(zone: str, local: datetime) -> None:
    """A zone defined by its yearly rules gives the instants that its IANA name gives."""
    at = f"{local:%Y%m%dT%H%M%S}"
    ours = only(ical(event(start=f"DTSTART;TZID=Ours:{at}"), before=definition(zone)))
    assert ours == only(ical(event(start=f"DTSTART;TZID={zone}:{at}"), before=definition(zone)))


def test_windows_zone_without_definition() -> None:
    """A Windows zone name is understood where the file forgot to define it."""
    row = only(ical(event(start="DTSTART;TZID=Pacific Standard Time:20260701T090000")))
    assert row.starts_at == datetime(2026, 7, 1, 16, 0, tzinfo=UTC)
