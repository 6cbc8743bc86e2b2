"""Series in a calendar file: which dates they have, on which clock, and which are refused."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from mentalspace.practice.calendar_file import BadRow, CalendarFile, CalendarFileUnreadable
from mentalspace.practice.calendar_file.field import Mistakes
from mentalspace.practice.calendar_file.ical_repeat import DAYS, dates, read_rule
from mentalspace.practice.calendar_file.ical_time import WallTime
from tests.practice.test_calendar_file import (
    CUSTOM_ZONE,
    NEW_YORK,
    NOW,
    again,
    codes,
    event,
    fixture,
    ical,
    read,
)

START = f"DTSTART;TZID={NEW_YORK}:20261201T090000"  # a Tuesday
UID = "E-1"


def series(*lines: str, start: str = START, before: str = "VERSION:2.0") -> CalendarFile:
    return ical(event(*lines, start=start), before=before)


def starts(file: CalendarFile, form: str = "%m-%d %H:%M") -> list[str]:
    assert not file.bad, codes(file.bad[0])
    zone = ZoneInfo(NEW_YORK)
    return [row.starts_at.astimezone(zone).strftime(form) for row in file.rows]


# --- files that programs wrote -------------------------------------------------------------


def test_khal_series() -> None:
    """A weekly series with two dates left out keeps nine o'clock through both clock changes."""
    file = fixture("khal-series.ics")
    weekly = [row for row in file.rows if row.client_name.reveal() == "Lena Fischer"]
    first, last = datetime(2026, 11, 24, 9), datetime(2027, 4, 27, 9)
    wanted = [first + timedelta(weeks=week) for week in range(23)]
    wanted = [at for at in wanted if (at.month, at.day) not in ((12, 22), (12, 29))]
    assert wanted[-1] == last
    local = [row.starts_at.astimezone(ZoneInfo(NEW_YORK)).replace(tzinfo=None) for row in weekly]
    assert local == wanted
    assert {row.starts_at.hour for row in weekly} == {13, 14}
    monthly = [row for row in file.rows if row.client_name.reveal() == "Omar Haddad"]
    assert [f"{row.starts_at:%y-%m-%d %H}" for row in monthly[:5]] == [
        "26-12-02 20", "27-01-02 20", "27-02-02 20", "27-03-02 20", "27-04-02 19",
    ]  # fmt: skip
    assert monthly[-1].starts_at.date() == date(2027, 11, 2)
    assert not file.bad


def test_google_style() -> None:
    """A moved date keeps the identifier of the date it stands for; two do not take place."""
    file = fixture("google-style.ics")
    assert starts(file) == ["11-30 10:00", "12-09 16:30", "12-14 10:00", "01-04 10:00"]
    assert [row.external_id.partition("/")[2] for row in file.rows] == [
        "20261130T150000Z", "20261207T150000Z", "20261214T150000Z", "20270104T150000Z",
    ]  # fmt: skip
    assert {row.client_external_id for row in file.rows} == {file.rows[0].client_external_id}
    assert [one.external_ids for one in file.series] == [{row.external_id for row in file.rows}]
    assert any("recurring events: 1, with 4 appointments" in note for note in file.notes)


# --- rules ---------------------------------------------------------------------------------

RULES = [
    # rule                                         first dates, from Tuesday 1 December 2026
    ("FREQ=DAILY;COUNT=3",                         "12-01 12-02 12-03"),
    ("FREQ=DAILY;INTERVAL=10;COUNT=3",             "12-01 12-11 12-21"),
    ("FREQ=WEEKLY;UNTIL=20261215T140000Z",         "12-01 12-08 12-15"),
    ("FREQ=WEEKLY;UNTIL=20261215T135959Z",         "12-01 12-08"),
    ("FREQ=WEEKLY;UNTIL=20261215",                 "12-01 12-08 12-15"),
    ("FREQ=WEEKLY;UNTIL=20261215T090000",          "12-01 12-08 12-15"),
    ("FREQ=WEEKLY;COUNT=4;BYDAY=TU,TH",            "12-01 12-03 12-08 12-10"),
    ("FREQ=WEEKLY;COUNT=3;BYDAY=FR",               "12-01 12-04 12-11"),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "12-01 12-06 12-15 12-20"),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "12-01 12-13 12-15 12-27"),
    ("FREQ=MONTHLY;COUNT=3;BYDAY=1TU",             "12-01 01-05 02-02"),
    ("FREQ=MONTHLY;COUNT=3;BYDAY=-1FR",            "12-01 12-25 01-29"),
    ("FREQ=MONTHLY;COUNT=4;BYMONTHDAY=31",         "12-01 12-31 01-31 03-31"),
    ("FREQ=MONTHLY;COUNT=3;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "12-01 12-31 01-29"),
    ("FREQ=YEARLY;COUNT=2",                        "12-01"),
    ("FREQ=YEARLY;BYMONTH=3,6;COUNT=3",            "12-01 03-01 06-01"),
    ("FREQ=YEARLY;BYWEEKNO=2;COUNT=2",             "12-01 01-12"),
    ("FREQ=YEARLY;BYYEARDAY=-1;COUNT=2",           "12-01 12-31"),
    ("FREQ=HOURLY;INTERVAL=24;COUNT=2",            "12-01 12-02"),
    ("freq=daily;count=2;",                        "12-01 12-02"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "wanted"), RULES)
def test_rules(rule: str, wanted: str) -> None:
    """DTSTART is the first date and counts, though its rule would not have it."""
    assert starts(series(f"RRULE:{rule}"), "%m-%d") == wanted.split()


@pytest.mark.parametrize(
    ("start", "rule", "wanted"),
    [
        ("20270312T090000", "FREQ=DAILY;COUNT=3", "12 14:00, 13 14:00, 14 13:00"),
        ("20270312T023000", "FREQ=DAILY;COUNT=4", "12 07:30, 13 07:30, 14 07:30, 15 06:30"),
        ("20271105T013000", "FREQ=DAILY;COUNT=4", "05 05:30, 06 05:30, 07 05:30, 08 06:30"),
        ("20271105T090000", "FREQ=DAILY;COUNT=4", "05 13:00, 06 13:00, 07 14:00, 08 14:00"),
    ],
)
@pytest.mark.parametrize("zone", [NEW_YORK, "Ours"])
def test_both_days_of_a_clock_change(zone: str, start: str, rule: str, wanted: str) -> None:
    """The wall clock stays; a skipped time keeps the offset before, a doubled one is the first."""
    file = series(f"RRULE:{rule}", start=f"DTSTART;TZID={zone}:{start}", before=CUSTOM_ZONE)
    assert ", ".join(f"{row.starts_at:%d %H:%M}" for row in file.rows) == wanted


def test_a_series_in_utc_stays_in_utc() -> None:
    """A start in UTC means that instant every week, whatever the practice's clock does."""
    file = series("RRULE:FREQ=WEEKLY", start="DTSTART:20270302T140000Z")
    assert {row.starts_at.hour for row in file.rows} == {14}


def test_the_horizon() -> None:
    """An endless series is read from a day back to a year ahead, and a later reading goes on."""
    rule = event("RRULE:FREQ=WEEKLY", start="DTSTART:20200107T140000Z")
    text = f"BEGIN:VCALENDAR\n{rule}\nEND:VCALENDAR"
    first = read(text, "a.ics", now=NOW)
    later = read(text, "a.ics", now=NOW + timedelta(weeks=10))
    assert len(first.rows) == len(later.rows) == 52
    assert first.rows[0].starts_at >= NOW - timedelta(days=1)
    assert first.rows[-1].starts_at <= NOW + timedelta(days=365)
    known = {row.external_id for row in first.rows}
    assert [row.external_id in known for row in later.rows] == [True] * 42 + [False] * 10
    assert "from 2026-11-22 to 2027-11-23" in first.notes[0]


def test_added_and_left_out_dates() -> None:
    """RDATE adds, EXDATE leaves out: by instant in any zone, or by the day of the event's zone."""
    file = series(
        "RRULE:FREQ=WEEKLY;COUNT=4",
        "RDATE:20261203T150000Z,20261204T150000Z",
        f"EXDATE;TZID={NEW_YORK}:20261208T090000",
        "EXDATE:20261204T150000Z",
        "EXDATE;VALUE=DATE:20261222",
    )
    assert starts(file) == ["12-01 09:00", "12-03 10:00", "12-15 09:00"]
    assert starts(series("RDATE:20261203T150000Z")) == ["12-01 09:00", "12-03 10:00"]


def changed(at: str, *lines: str, start: str) -> str:
    return event(f"RECURRENCE-ID;TZID={NEW_YORK}:{at}", *lines, start=start)


def test_changed_dates() -> None:
    """A date moved into or out of the horizon is read by what it was or what it became."""
    file = ical(
        event("RRULE:FREQ=WEEKLY;COUNT=3", start=START),
        changed("20261208T090000", start="DTSTART:20290101T100000Z"),
        changed("20261215T090000", start="DTSTART:20260101T100000Z"),
        changed("20261103T090000", start="DTSTART:20261210T140000Z"),
        changed("20261104T090000", start="DTSTART:20261105T140000Z"),
    )
    assert starts(file, "%y-%m-%d") == ["26-12-10", "26-12-01", "29-01-01", "26-01-01"]


def test_newest_change_of_a_date() -> None:
    """Of several changes of one date the highest SEQUENCE counts; two alike are one."""
    old, new = (
        changed("20261208T090000", f"SEQUENCE:{n}", start=f"DTSTART:2026120{n}T140000Z")
        for n in (8, 9)
    )
    master = event("RRULE:FREQ=WEEKLY;COUNT=2", start=START)
    for parts in ((new, old, master), (master, old, new, new)):
        file = ical(*parts)
        assert starts(file) == ["12-01 09:00", "12-09 09:00"]
        assert file.merged == len(parts) - 2
    other = new.replace("Lopez", "Ortiz")
    [bad] = ical(master, new, other).bad
    assert codes(bad) == [("RECURRENCE-ID", "duplicate_external_id")]


def test_cancelled_series() -> None:
    """A series is cancelled by its status or its calendar: none of its dates takes place."""
    for file in (
        series("RRULE:FREQ=WEEKLY", "STATUS:CANCELLED"),
        series("RRULE:FREQ=WEEKLY", before="METHOD:CANCEL"),
    ):
        assert not file.rows and not file.bad
        assert [(one.uid, one.external_ids) for one in file.series] == [(UID, frozenset())]


def test_a_changed_date_without_its_series() -> None:
    """A date that comes alone lands alone, and says nothing of the series' other dates."""
    moved = changed("20261208T090000", start="DTSTART:20261209T140000Z")
    file = ical(moved)
    assert [row.external_id for row in file.rows] == [f"{UID}/20261208T140000Z"]
    assert file.rows[0].series == UID
    assert not file.series
    [gone] = ical(moved, before="METHOD:CANCEL").rows
    assert gone.status == "cancelled"


def test_a_moved_date_without_a_guest() -> None:
    """It is the client's whose series it is, whatever its title says."""
    file = ical(
        event("RRULE:FREQ=WEEKLY;COUNT=2", "ATTENDEE;CN=Ana:mailto:a@x.test", start=START),
        changed("20261208T090000", "SUMMARY:Ana (moved)", start="DTSTART:20261209T140000Z"),
    )
    assert [row.client_name.reveal() for row in file.rows] == ["Ana", "Ana"]


# --- what is refused -----------------------------------------------------------------------

BAD_SERIES = [
    # lines of the event                                        property         code
    (["RRULE:FREQ=FORTNIGHTLY"],                                "RRULE",         "bad_rule"),
    (["RRULE:BYDAY=MO"],                                        "RRULE",         "bad_rule"),
    (["RRULE:FREQ=WEEKLY;FREQ=DAILY"],                          "RRULE",         "bad_rule"),
    (["RRULE:FREQ=WEEKLY;BYEASTER=0"],                          "RRULE",         "bad_rule"),
    (["RRULE:FREQ=WEEKLY;INTERVAL=0"],                          "RRULE",         "bad_rule"),
    (["RRULE:FREQ=WEEKLY;INTERVAL=1,2"],                        "RRULE",         "bad_rule"),
    (["RRULE:FREQ=WEEKLY;COUNT=2;UNTIL=20270101"],              "RRULE",         "bad_rule"),
    (["RRULE:FREQ=WEEKLY;UNTIL=20271301"],                      "RRULE",         "bad_rule"),
    (["RRULE:FREQ=WEEKLY;BYDAY=2TU"],                           "RRULE",         "bad_rule"),
    (["RRULE:FREQ=MONTHLY;BYDAY=XX"],                           "RRULE",         "bad_rule"),
    (["RRULE:FREQ=WEEKLY;BYMONTHDAY=3"],                        "RRULE",         "bad_rule"),
    (["RRULE:FREQ=MONTHLY;BYSETPOS=1"],                         "RRULE",         "bad_rule"),
    (["RRULE:FREQ=WEEKLY;WKST=X"],                              "RRULE",         "bad_rule"),
    (["RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"],             "RRULE",         "never_happens"),
    (["RRULE:FREQ=MONTHLY;BYDAY=MO;BYSETPOS=300"],              "RRULE",         "never_happens"),
    (["RRULE:FREQ=SECONDLY"],                                   "RRULE",         "too_many_dates"),
    (["RRULE:FREQ=HOURLY"],                                     "RRULE",         "too_many_dates"),
    (["RRULE:FREQ=DAILY;BYHOUR=8,9,10"],                        "RRULE",         "too_many_dates"),
    (["RRULE:FREQ=SECONDLY;BYHOUR=3;BYSETPOS=2"],               "RRULE",         "too_frequent"),
    (["RRULE:FREQ=DAILY;BYHOUR=8,9;BYMINUTE=" + ",".join(map(str, range(60)))],
                                                                "RRULE",         "too_frequent"),
    (["RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"],                 "RRULE",         "property_twice"),
    (["RDATE;VALUE=DATE:20261203"],                             "RDATE",         "all_day"),
    (["RDATE;VALUE=PERIOD:20261203T090000Z/PT1H"],              "RDATE",         "not_a_time"),
    (["RDATE:" + ",".join(["20261203T090000Z"] * 2001)],        "RDATE",         "too_many_dates"),
    (["RRULE:FREQ=DAILY", "EXDATE:soon"],                       "EXDATE",        "not_a_time"),
    (["RRULE:FREQ=DAILY", "EXRULE:FREQ=WEEKLY"],                "EXRULE",        "exception_rule"),
    (["RECURRENCE-ID:soon"],                                    "RECURRENCE-ID", "not_a_time"),
    (["RECURRENCE-ID;RANGE=THISANDFUTURE:20261201T140000Z"],    "RECURRENCE-ID", "this_and_future"),
    (["RRULE:FREQ=WEEKLY", "DURATION:x"],                       "DURATION",      "not_a_duration"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "column", "code"), BAD_SERIES)
def test_bad_series(lines: list[str], column: str, code: str) -> None:
    """A bad series costs itself alone, at once, and is told by line, property and cure."""
    began = time.thread_time()
    file = ical(event(*lines, start=START), event(uid="E-2"))
    assert time.thread_time() - began < 2
    assert [row.external_id for row in file.rows] == ["E-2"]
    [bad] = file.bad
    assert codes(bad) == [(column, code)]
    assert bad.mistakes[0].line == 3
    assert bad.mistakes[0].cure


def test_one_mistake_holds_the_series() -> None:
    """A changed date that cannot be read keeps back all of its series, and is named by its line."""
    broken = changed("20261208T090000", start="DTSTART:soon")
    file = ical(event("RRULE:FREQ=WEEKLY;COUNT=2", start=START), broken)
    assert not file.rows and not file.series
    [bad] = file.bad
    assert [(m.line, m.column) for m in bad.mistakes] == [(10, "DTSTART")]
    corrected = again(
        bad.raw.reveal().replace("DTSTART:soon", "DTSTART:20261209T140000Z"), "ical", bad.header
    )
    assert isinstance(corrected, CalendarFile)
    assert starts(corrected) == ["12-01 09:00", "12-09 09:00"]
    two = again(f"{event('RRULE:FREQ=DAILY')}\n{event(uid='E-2')}", "ical", "")
    assert isinstance(two, BadRow)
    assert two.mistakes[0].code == "not_one_row"


def test_two_contents_of_one_series() -> None:
    """The same series twice is merged; with another rule the second is a row to correct."""
    one = event("RRULE:FREQ=WEEKLY;COUNT=2", start=START)
    file = ical(one, one)
    assert (len(file.rows), file.merged, file.bad) == (2, 1, ())
    [bad] = ical(one, one.replace("COUNT=2", "COUNT=3")).bad
    assert codes(bad) == [("UID", "duplicate_external_id")]


def test_too_many_series() -> None:
    """A file of more series than a practice has is refused whole."""
    many = "\n".join(event("RRULE:FREQ=YEARLY;COUNT=1", uid=f"E-{n}") for n in range(2_001))
    with pytest.raises(CalendarFileUnreadable) as caught:
        read(f"BEGIN:VCALENDAR\n{many}\nEND:VCALENDAR", "a.ics")
    assert caught.value.code == "too_many_series"


# --- against other readings of the rules -----------------------------------------------------


@given(
    st.datetimes(datetime(2026, 11, 24), datetime(2027, 6, 1)),
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY"]),
    st.integers(1, 4),
    st.sets(st.sampled_from(DAYS), max_size=4),
    st.one_of(st.none(), st.integers(1, 30)),
    st.one_of(st.none(), st.integers(0, 300)),
    st.sampled_from([NEW_YORK, "Europe/London", "Asia/Kolkata", "Pacific/Auckland"]),
)
@settings(max_examples=200, deadline=None)
def test_dates_are_those_a_person_would_count(
    start: datetime,
    frequency: str,
    interval: int,
    weekdays: set[str],
    count: int | None,
    days: int | None,
    zone: str,
) -> None:
    """Going through every day of the year and asking whether it counts gives the same dates."""
    start = start.replace(second=0, microsecond=0)
    rule = f"FREQ={frequency};INTERVAL={interval}"
    rule += f";BYDAY={','.join(sorted(weekdays))}" if weekdays else ""
    if count:
        rule += f";COUNT={count}"
    elif days is not None:
        rule += f";UNTIL={start + timedelta(days=days):%Y%m%d}"
    file = series(f"RRULE:{rule}", start=f"DTSTART;TZID={zone}:{start:%Y%m%dT%H%M%S}")
    wanted = _counted(start, frequency, interval, weekdays, None if count else days)
    last = NOW + timedelta(days=365)
    instants = [WallTime(local, ZoneInfo(zone)).instant for local in wanted[:count]]
    if file.bad:
        assert codes(file.bad[0]) == [("RRULE", "never_happens")]
        assert len(wanted) == 1
    else:
        assert [row.starts_at for row in file.rows] == [at for at in instants if at <= last]


def _counted(
    start: datetime, frequency: str, interval: int, weekdays: set[str], days: int | None
) -> list[datetime]:
    found = [start]
    for ahead in range(1, 367 if days is None else days + 1):
        one = start + timedelta(days=ahead)
        monday = start - timedelta(days=start.weekday())
        match frequency:
            case "DAILY":
                period, fits = ahead, True
            case "WEEKLY":
                period, fits = (one - monday).days // 7, one.weekday() == start.weekday()
            case _:
                period = (one.year - start.year) * 12 + one.month - start.month
                fits = one.day == start.day
        if weekdays:
            fits = DAYS[one.weekday()] in weekdays
        if fits and period % interval == 0:
            found.append(one)
    return found


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)),
    st.sampled_from([rule for rule, _wanted in RULES] + ["FREQ=YEARLY", "FREQ=MONTHLY;BYDAY=5MO"]),
)
@settings(deadline=None)
def test_moved_ahead_in_time_and_back(start: datetime, rule: str) -> None:
    """Computing with years that are not so far from the last one changes no date."""
    start = start.replace(microsecond=0)
    mistakes = Mistakes(1)
    ours = read_rule(rule, WallTime(start, UTC), mistakes)
    assert ours and not mistakes.found
    last = datetime(2050, 1, 1)
    there = [at for at in islice(rrulestr(ours.text, dtstart=start), 40) if at != start]
    wanted = [at for at in [start, *there][: ours.count] if at <= last][:30]
    assert [at for at in islice(dates(ours, start, last), 30) if at <= last] == wanted
