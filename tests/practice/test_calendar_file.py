"""Reading a front desk's calendar: no row is lost, and every mistake names its cure."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

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
