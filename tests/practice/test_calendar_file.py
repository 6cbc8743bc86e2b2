"""Reading a front desk's calendar: no row is lost, and every mistake names its cure."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mentalspace.kernel.phi import Phi
from mentalspace.practice.calendar_file import (
    AppointmentRow,
    BadRow,
    CalendarFile,
    CalendarFileUnreadable,
    FileKind,
    read_calendar,
    read_row,
)

FIXTURES = Path(__file__).parent / "fixtures"
NEW_YORK = "America/New_York"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
COLUMNS = (
    "external_id,client_external_id,client_name,client_email,client_phone,client_timezone,"
    "client_language,clinician_email,starts_at,duration_min,status"
)
GOOD = {
    "external_id": "A-1",
    "client_external_id": "C-1",
    "client_name": "Maria Lopez",
    "client_email": "maria.lopez@client.example",
    "client_phone": "+1 212 555 0101",
    "client_timezone": "America/Chicago",
    "client_language": "es",
    "clinician_email": "clinician@demo.example",
    "starts_at": "2026-12-01T09:00",
    "duration_min": "50",
    "status": "booked",
}


def read(
    text: str | bytes, name: str = "calendar.csv", zone: str = NEW_YORK, now: datetime = NOW
) -> CalendarFile:
    data = text.encode() if isinstance(text, str) else text
    return read_calendar(data, practice_timezone=zone, file_name=name, now=now)


def again(raw: str, kind: FileKind, header: str, line: int = 1) -> CalendarFile | BadRow:
    return read_row(raw, kind=kind, header=header, practice_timezone=NEW_YORK, now=NOW, line=line)


def fixture(name: str) -> CalendarFile:
    return read((FIXTURES / name).read_bytes(), name)


def line(**changes: str) -> str:
    out = io.StringIO()
    csv.writer(out).writerow((GOOD | changes).values())
    return out.getvalue().removesuffix("\r\n")


def event(*lines: str, uid: str = "E-1", start: str = "DTSTART:20261201T140000Z") -> str:
    given = [start, *lines]
    if not any(one.startswith(("DTEND", "DURATION")) for one in given):
        given.append("DURATION:PT50M")
    if not any(one.startswith("SUMMARY") for one in given):
        given.append("SUMMARY:Maria Lopez")
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", *given, "END:VEVENT"])


def ical(*events: str, before: str = "VERSION:2.0") -> CalendarFile:
    lines = ["BEGIN:VCALENDAR", before, *events, "END:VCALENDAR", ""]
    return read("\r\n".join(lines), "calendar.ics")


def only(file: CalendarFile) -> AppointmentRow:
    assert not file.bad
    (row,) = file.rows
    return row


def codes(bad: BadRow) -> list[tuple[str, str]]:
    return [(mistake.column, mistake.code) for mistake in bad.mistakes]


# --- files that programs wrote -------------------------------------------------------------


def test_khal() -> None:
    """What khal wrote lands: two zones, UTC, attendees and a series; a day off does not."""
    file = fixture("khal.ics")
    names = [(row.client_name.reveal(), row.starts_at, row.duration_min) for row in file.rows]
    assert names == [
        ("Maria Lopez", datetime(2026, 12, 1, 14, 0, tzinfo=UTC), 50),
        ("José Núñez", datetime(2026, 12, 2, 18, 0, tzinfo=UTC), 50),
        ("Aoife O'Brien, née Ní Bhriain", datetime(2026, 12, 7, 19, 0, tzinfo=UTC), 60),
        ("Wei Chen", datetime(2027, 3, 15, 12, 30, tzinfo=UTC), 50),
        *(
            ("Priya Nair", datetime(2026, 12, day, 16, 0, tzinfo=UTC), 50)
            for day in (3, 10, 17, 24)
        ),
        ("Tomasz Wiśniewski", datetime(2026, 12, 4, 16, 0, tzinfo=UTC), 45),
    ]
    assert [row.client_email for row in file.rows[:3]] == [
        Phi("maria.lopez@client.example"),
        Phi("jose.nunez@client.example"),
        None,
    ]
    assert [codes(bad)[0] for bad in file.bad] == [("DTSTART", "all_day")]


def test_gnumeric() -> None:
    """A spreadsheet's UTF-8 with commas and its UTF-16 with semicolons hold the same rows."""
    plain, wide = fixture("gnumeric.csv"), fixture("gnumeric-utf16.csv")
    assert plain.rows == wide.rows
    assert [row.status for row in plain.rows] == ["scheduled", "scheduled", "cancelled"]
    assert [row.client_name.reveal() for row in plain.rows] == [
        "Maria Lopez",
        "Núñez, José",
        'Aoife "Fee" O\'Brien',
    ]
    assert "columns are separated by semicolons" in wide.notes


def test_excel_style() -> None:
    """Byte order mark, CRLF, semicolons and line breaks in quotes leave line numbers physical."""
    file = fixture("excel-style.csv")
    assert [(row.external_id, row.line) for row in file.rows] == [("A-1", 2), ("A-2", 4)]
    assert [(bad.line, codes(bad)) for bad in file.bad] == [(6, [("client_email", "not_an_email")])]
    assert file.rows[1].client_name.reveal() == "Núñez; José"
    assert "columns not read: comment" in file.notes
    assert "rows without a single value were skipped: 1" in file.notes


def test_outlook_style() -> None:
    """Zones the file defines itself, a cancellation and a newer version are understood."""
    file = fixture("outlook-style.ics")
    seen = [
        (row.line, row.client_name.reveal(), f"{row.starts_at:%m-%d %H:%M}", row.status)
        for row in file.rows
    ]
    assert seen == [
        (28, "Lopez, Maria", "11-02 14:00", "scheduled"),
        (46, "Wei Chen", "07-01 12:30", "scheduled"),
        (53, "José Núñez", "07-02 13:00", "cancelled"),
        (75, "Priya Nair", "07-03 13:00", "scheduled"),
    ]
    assert file.rows[0].clinician_email == "clinician@demo.example"
    assert file.rows[0].client_email == Phi("maria.lopez@client.example")
    assert [(bad.line, codes(bad)) for bad in file.bad] == [(69, [("DTSTART", "not_a_time")])]
    assert file.merged == 1


# --- twenty bad inputs ---------------------------------------------------------------------

BAD_VALUES = [
    # column               value                    code
    ("external_id",        "",                      "missing_value"),
    ("external_id",        "4.01E+11",              "id_scientific"),
    ("client_external_id", "C" * 256,               "too_long"),
    ("client_name",        "",                      "missing_value"),
    ("client_name",        "=HYPERLINK(\"x\")",     "name_formula"),
    ("client_name",        "Maria\nLopez",          "control_character"),
    ("client_email",       "maria.client.example",  "not_an_email"),
    ("client_phone",       "1.2125E+10",            "not_a_phone"),
    ("client_phone",       "555-01",                "not_a_phone"),
    ("client_timezone",    "Eastern",               "unknown_zone"),
    ("client_language",    "Spanish!",              "unknown_language"),
    ("clinician_email",    "óscar@demo.example",    "not_an_email"),
    ("starts_at",          "12/1/2026 9:00 AM",     "not_a_time"),
    ("starts_at",          "2026-12-01",            "time_missing"),
    ("starts_at",          "2026-03-08T02:30",      "time_skipped"),
    ("starts_at",          "2026-11-01T01:30",      "time_twice"),
    ("starts_at",          "0206-12-01T09:00",      "year_range"),
    ("duration_min",       "1h",                    "duration_not_a_number"),
    ("duration_min",       "1441",                  "duration_range"),
    ("status",             "no-show",               "unknown_status"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value", "code"), BAD_VALUES)
def test_bad_value(column: str, value: str, code: str) -> None:
    """A bad value costs its row alone; the mistake names line, column and cure, not the value."""
    after = line(external_id="A-2")
    file = read("\n".join([COLUMNS, line(**{column: value}), after]))
    assert [row.external_id for row in file.rows] == ["A-2"]
    (bad,) = file.bad
    assert codes(bad) == [(column, code)]
    (mistake,) = bad.mistakes
    assert mistake.line == bad.line == 2
    assert mistake.text and mistake.cure
    assert not value or value not in f"{mistake} {mistake.cure}"
    assert line(**{column: value}) == bad.raw.reveal()


BAD_FILES = [
    # bytes                                          name       code
    (b"",                                            "a.csv",   "empty"),
    (b"\xef\xbb\xbf \r\n",                           "a.csv",   "empty"),
    (b"PK\x03\x04rest",                              "a.xlsx",  "not_text"),
    (b"\xd0\xcf\x11\xe0rest",                        "a.xls",   "not_text"),
    (COLUMNS.encode("utf-16-le"),                    "a.csv",   "not_text"),
    (b"\xff\xfea",                                   "a.csv",   "wrong_encoding"),
    (b"external_id\n\x81",                           "a.csv",   "wrong_encoding"),
    (b"external_id,client_name\nA-1,Maria Lopez",    "a.csv",   "missing_columns"),
    (b"Maria Lopez,2026-12-01T09:00",                "a.csv",   "missing_columns"),
    (f"{COLUMNS},status\n".encode(),                 "a.csv",   "column_twice"),
    (b'"external_id\nA-1',                           "a.csv",   "header_broken"),
    (b"X" * 20_000_001,                              "a.csv",   "too_large"),
    (COLUMNS.encode(),                               "a.ics",   "not_a_calendar"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "name", "code"), BAD_FILES, ids=[row[2] for row in BAD_FILES])
def test_unreadable_file(data: bytes, name: str, code: str) -> None:
    """A file of which no row can be read is refused with a code, and nothing quoted."""
    with pytest.raises(CalendarFileUnreadable) as caught:
        read(data, name)
    assert caught.value.code == code
    assert "Maria" not in str(caught.value)


def test_missing_columns_are_named() -> None:
    """The refusal names exactly the columns that are missing."""
    with pytest.raises(CalendarFileUnreadable, match=r"lacks client_external_id, starts_at;"):
        read("external_id,client_name,duration_min\n")


BAD_EVENTS = [
    # lines of the event                                         property         code
    (["DTEND:20261201T130000Z"],                                "DTEND",         "duration_range"),
    (["DTEND:20261201T140030Z"],                                "DTEND",         "duration_uneven"),
    (["DURATION:fifty"],                                        "DURATION",      "not_a_duration"),
    (["ATTENDEE:mailto:a@x.test", "ATTENDEE:mailto:b@x.test"],  "ATTENDEE",      "several_guests"),
    (["ATTENDEE;CN=Ana:mailto:nobody"],                         "ATTENDEE",      "not_an_email"),
    (["ATTENDEE;CN=\"Ana:mailto:a@x.test"],                     "ATTENDEE",      "malformed_line"),
    (["SUMMARY:Maria", "Lopez"],                                "SUMMARY",       "malformed_line"),
    (["SUMMARY:Maria", "SUMMARY:Ana"],                          "SUMMARY",       "property_twice"),
    (["SUMMARY:"],                                              "SUMMARY",       "missing_value"),
    (["SEQUENCE:one"],                                          "SEQUENCE",      "not_a_number"),
    (["STATUS:MAYBE"],                                          "STATUS",        "unknown_status"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "column", "code"), BAD_EVENTS)
def test_bad_event(lines: list[str], column: str, code: str) -> None:
    """A bad property costs its event alone."""
    file = ical(event(*lines), event(uid="E-2"))
    assert [row.external_id for row in file.rows] == ["E-2"]
    (bad,) = file.bad
    assert bad.line == 3
    assert codes(bad) == [(column, code)]


# --- CSV -----------------------------------------------------------------------------------


def test_whole_row() -> None:
    """Every column arrives; a local time is the practice's, whatever the client's zone."""
    row = only(read(f"{COLUMNS}\n{line()}\n"))
    assert row == AppointmentRow(
        line=2,
        external_id="A-1",
        client_external_id="C-1",
        client_name=Phi("Maria Lopez"),
        client_email=Phi("maria.lopez@client.example"),
        client_phone=Phi("+1 212 555 0101"),
        client_timezone="America/Chicago",
        client_language="es",
        clinician_email="clinician@demo.example",
        starts_at=datetime(2026, 12, 1, 14, 0, tzinfo=UTC),
        duration_min=50,
        status="scheduled",
    )


def test_columns_in_any_order() -> None:
    """Only the five required columns are needed, in any order and case."""
    file = read("Starts At\tDURATION_MIN\texternal_id\tclient_name\tclient-external-id\n"
                "2026-12-01T09:00Z\t50\tA-1\tMaria Lopez\tC-1\n")  # fmt: skip
    row = only(file)
    assert row.starts_at == datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
    assert row.client_email is None
    assert "appointments whose client no e-mail can reach: 1 (lines 2)" in file.notes


@pytest.mark.parametrize("email", ["a@demo.example", "a+b@clinic.test"])
def test_reserved_domains(email: str) -> None:
    """Addresses in domains that nobody owns are kept: demos and drills live on them."""
    assert only(read(f"{COLUMNS}\n{line(client_email=email)}")).client_email == Phi(email)


def test_ambiguous_time_names_both_offsets() -> None:
    """A time that the clock shows twice is cured by either of two offsets, both named."""
    (bad,) = read(f"{COLUMNS}\n{line(starts_at='2026-11-01T01:30')}").bad
    assert "-04:00 for the first, -05:00 for the second" in bad.mistakes[0].cure
    row = only(read(f"{COLUMNS}\n{line(starts_at='2026-11-01T01:30-05:00')}"))
    assert row.starts_at == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


def test_windows_1252() -> None:
    """A file in an old encoding is read, with a note to look at the names."""
    file = read(f"{COLUMNS}\n{line(client_name='José Núñez')}".encode("cp1252"))
    assert only(file).client_name.reveal() == "José Núñez"
    assert any("Windows-1252" in note for note in file.notes)


def test_open_quote_costs_one_row() -> None:
    """A quotation mark left open does not swallow the rows below it."""
    broken = line().replace("Maria", '"Maria')
    file = read("\n".join([COLUMNS, broken, line(external_id="A-2"), line(external_id="A-3")]))
    assert [row.external_id for row in file.rows] == ["A-2", "A-3"]
    assert [(bad.line, codes(bad)) for bad in file.bad] == [(2, [("row", "broken_quotes")])]


def test_unquoted_separator() -> None:
    """A comma in a name without quotes is a mistake of the row, not a shifted value."""
    (bad,) = read(f"{COLUMNS}\n{line().replace('Maria Lopez', 'Lopez, Maria')}").bad
    assert codes(bad) == [("row", "too_many_values")]


def test_duplicates() -> None:
    """A row said twice is merged; one identifier with two contents is a mistake of the second."""
    other = line(starts_at="2026-12-02T09:00")
    file = read("\n".join([COLUMNS, line(), line(), other]))
    assert [row.line for row in file.rows] == [2]
    assert file.merged == 1
    assert [(bad.line, codes(bad)) for bad in file.bad] == [
        (4, [("external_id", "duplicate_external_id")])
    ]


def test_all_mistakes_at_once() -> None:
    """A row with three mistakes names all three, so that it is corrected once."""
    (bad,) = read(f"{COLUMNS}\n{line(client_email='x', starts_at='', duration_min='0')}").bad
    assert {column for column, _code in codes(bad)} == {"client_email", "starts_at", "duration_min"}


def test_nothing_prints_a_person() -> None:
    """Printing what was read shows no name, address or number."""
    file = read("\n".join([COLUMNS, line(), line(external_id="A-2", duration_min="x")]))
    assert "Maria" not in repr(file)
    assert "maria" not in repr(file)
    assert "555" not in repr(file)


# --- iCalendar -----------------------------------------------------------------------------


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


CUSTOM_ZONE = """BEGIN:VTIMEZONE
TZID:Ours
BEGIN:STANDARD
DTSTART:20001101T020000
RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=11
TZOFFSETFROM:-0400
TZOFFSETTO:-0500
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:20000301T020000
RRULE:FREQ=YEARLY;BYDAY=2SU;BYMONTH=3
TZOFFSETFROM:-0500
TZOFFSETTO:-0400
END:DAYLIGHT
END:VTIMEZONE"""


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


# --- a row corrected later -----------------------------------------------------------------


def test_corrected_csv_row() -> None:
    """A bad row's text, corrected, becomes the row it should have been, on its old line."""
    text = f"{COLUMNS}\n{line(external_id='A-0')}\n{line(duration_min='x')}".replace(",", ";")
    (bad,) = read(text).bad
    corrected = bad.raw.reveal().replace(";x;", ";50;")
    file = again(corrected, "csv", bad.header, line=bad.line)
    assert isinstance(file, CalendarFile)
    assert only(file) == replace(only(read(f"{COLUMNS}\n{line()}")), line=3)


def test_corrected_event() -> None:
    """A corrected event still knows its file's zones and method."""
    broken = event("DURATION:x", start="DTSTART;TZID=Ours:20260701T090000")
    (bad,) = ical(broken, before="METHOD:CANCEL\r\n" + CUSTOM_ZONE).bad
    corrected = bad.raw.reveal().replace("DURATION:x", "DURATION:PT50M")
    file = again(corrected, "ical", bad.header, line=7)
    assert isinstance(file, CalendarFile)
    row = only(file)
    assert (row.line, row.starts_at.hour, row.status) == (7, 13, "cancelled")


@pytest.mark.parametrize("raw", ["", line() + "\n" + line(external_id="A-2"), "a\0b"])
def test_correction_must_be_one_row(raw: str) -> None:
    """Nothing, two rows or no text at all remain a bad row with a mistake."""
    row = again(raw, "csv", COLUMNS, line=9)
    assert isinstance(row, BadRow)
    assert row.raw.reveal() == raw
    assert row.mistakes[0].line == 9


# --- properties ----------------------------------------------------------------------------

VOCABULARY = [
    COLUMNS, "\n", "\r\n", "\r", ",", ";", '"', "\t", " ", "A-1", "2026-12-01T09:00", "50", "=",
    "BEGIN:VCALENDAR\n", "END:VCALENDAR\n", "BEGIN:VEVENT\n", "END:VEVENT\n", "UID:", "E-1\n",
    "DTSTART", "DTEND", ";TZID=", "Ours", ":", "20260308T023000", "Z", "RRULE:FREQ=", "YEARLY",
    "DAILY", ";COUNT=", ";BYDAY=", "RDATE:", "EXDATE:", "RECURRENCE-ID:20261202T140000Z\n",
    "DURATION:", "PT50M", "P", "99999999999", "SEQUENCE:", "ATTENDEE;CN=", "mailto:", "a@b.example",
    "ORGANIZER", "BEGIN:VTIMEZONE\n", "END:VTIMEZONE\n", "TZID:Ours\n", "BEGIN:STANDARD\n",
    "END:STANDARD\n", "TZOFFSETFROM:", "TZOFFSETTO:", "+0500\n", "BYDAY=", "\\", "é", "\u2028",
    CUSTOM_ZONE, event(), line(), "SUMMARY", "METHOD:CANCEL\n", "0001-01-01T00:00", "+23:59",
]  # fmt: skip
SCRAPS = st.lists(st.one_of(st.sampled_from(VOCABULARY), st.text(max_size=4)), max_size=40)


def check_any(data: bytes, name: str) -> None:
    try:
        first = read(data, name)
    except CalendarFileUnreadable as error:
        assert error.code and str(error)
        return
    assert read(data, name) == first
    for bad in first.bad:
        assert bad.mistakes
        again(bad.raw.reveal(), first.kind, bad.header)


@given(st.binary(max_size=400), st.sampled_from(["a.csv", "a.ics"]))
def test_any_bytes(data: bytes, name: str) -> None:
    """No bytes make it raise anything but its own refusal; reading twice gives the same."""
    check_any(data, name)


@given(SCRAPS, st.sampled_from([COLUMNS + "\n", "BEGIN:VCALENDAR\n", ""]))
@settings(max_examples=300)
@example([event(start="DTSTART;TZID=America/New_York:00010101T000000")], "BEGIN:VCALENDAR\n")
@example([event(start="DTSTART:99991231T235959")], "BEGIN:VCALENDAR\n")
@example([line(starts_at="9999-12-31T23:59-23:59")], COLUMNS + "\n")
def test_any_scraps(scraps: list[str], head: str) -> None:
    """Nor do the scraps of real files, put together anyhow."""
    check_any((head + "".join(scraps)).encode("utf-8", "replace"), "a.csv")


ROW_LINES = st.sampled_from(
    [line(), line(external_id="A-2"), line(duration_min="x"), line(external_id=""), 'A,"open']
)


@given(st.lists(ROW_LINES, max_size=12))
def test_no_row_is_lost(rows: list[str]) -> None:
    """Good, bad and merged rows add up to the rows of the file, each on its own line."""
    file = read("\n".join([COLUMNS, *rows]))
    assert len(file.rows) + len(file.bad) + file.merged == len(rows)
    lines = Counter([row.line for row in file.rows] + [bad.line for bad in file.bad])
    assert set(lines.values()) <= {1}
    assert all(bad.raw.reveal() == rows[bad.line - 2] for bad in file.bad)


@given(st.lists(st.sampled_from([event(), event(uid="E-2"), event("SEQUENCE:3"), event("DTEND:x"),
                                 event("RRULE:FREQ=DAILY"), "BEGIN:VEVENT\r\nUID:E-1"]),
                max_size=12))  # fmt: skip
def test_no_event_is_lost(events: list[str]) -> None:
    """Good, bad and older events add up to the events of the file; a series is one of them."""
    file = ical(*events)
    good = {row.series or row.external_id for row in file.rows}
    assert len(good) + len(file.bad) + file.merged == len(events)


ZONES = [NEW_YORK, "Europe/London", "Asia/Kolkata", "Pacific/Auckland"]
NAMES = st.text(
    st.characters(codec="utf-8", categories=["L", "P", "Nd", "Zs"]), min_size=1, max_size=30
).map(lambda name: f"M{name}x")


@given(
    st.lists(
        st.tuples(
            NAMES,
            st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 30)),
            st.integers(1, 1440),
            st.sampled_from(["scheduled", "cancelled"]),
        ),
        max_size=8,
    ),
    st.sampled_from(ZONES),
    st.booleans(),
)
def test_good_rows_round_trip(
    wanted: list[tuple[str, datetime, int, str]], zone: str, as_ical: bool
) -> None:
    """Appointments written down in four zones come back as they were, from either kind of file."""
    wanted = [(n, at.replace(second=0, microsecond=0, tzinfo=UTC), d, s) for n, at, d, s in wanted]
    if as_ical:
        file = ical(*(_as_event(f"E-{i}", one, zone) for i, one in enumerate(wanted)))
    else:
        file = read(
            "\n".join([COLUMNS, *(_as_line(f"A-{i}", w, zone) for i, w in enumerate(wanted))])
        )
    assert not file.bad
    got = [(r.client_name.reveal(), r.starts_at, r.duration_min, r.status) for r in file.rows]
    assert got == wanted


def _as_line(external_id: str, wanted: tuple[str, datetime, int, str], zone: str) -> str:
    name, at, minutes, status = wanted
    return line(
        external_id=external_id,
        client_name=name,
        starts_at=at.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes"),
        duration_min=str(minutes),
        status=status,
    )


def _as_event(uid: str, wanted: tuple[str, datetime, int, str], zone: str) -> str:
    name, at, minutes, status = wanted
    local = at.astimezone(ZoneInfo(zone))
    # The second of two equal wall-clock times can only be written in UTC.
    start = f"DTSTART:{at:%Y%m%dT%H%M%SZ}" if local.fold else (
        f"DTSTART;TZID={zone}:{local:%Y%m%dT%H%M%S}"
    )  # fmt: skip
    escaped = name.replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;")
    end = at + timedelta(minutes=minutes)
    return event(
        f"DTEND:{end:%Y%m%dT%H%M%SZ}",
        f"SUMMARY:{escaped}",
        f"STATUS:{status.upper()}",
        uid=uid,
        start=start,
    )
