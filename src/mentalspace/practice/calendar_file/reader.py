"""Opens a calendar file of either kind, and settles rows that claim the same appointment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from mentalspace.kernel.phi import Phi
from mentalspace.practice.calendar_file.csv_file import read_csv
from mentalspace.practice.calendar_file.ical_file import looks_like_ical, read_ical
from mentalspace.practice.calendar_file.row import (
    AppointmentRow,
    BadRow,
    CalendarFile,
    CalendarFileUnreadable,
    FileKind,
    Mistake,
    Reading,
    Window,
)
from mentalspace.practice.calendar_file.text import check_bytes, decode

LINES_NAMED = 10
# How much of a series becomes appointments: a day, so that today's page is whole, and a year.
BEHIND = timedelta(days=1)
AHEAD = timedelta(days=365)


def read_calendar(
    data: bytes, *, practice_timezone: str, file_name: str, now: datetime
) -> CalendarFile:
    """Every row of the file, good or to be corrected.

    `practice_timezone` is the IANA zone of times written without one. Only the ending of
    `file_name` matters, and only where the content does not show its kind. Of a series the
    dates from a day before `now` to a year after it are read. Raises CalendarFileUnreadable
    when no row can be read at all.
    """
    check_bytes(data)
    zone = ZoneInfo(practice_timezone)
    if looks_like_ical(data, file_name):
        readings, superseded, notes = read_ical(data, zone, Window(now - BEHIND, now + AHEAD))
        return _settle("ical", readings, superseded, notes)
    text, notes = decode(data)
    readings, more = read_csv(text, zone)
    return _settle("csv", readings, 0, notes + more)


def read_row(
    raw: str, *, kind: FileKind, header: str, practice_timezone: str, now: datetime, line: int = 1
) -> CalendarFile | BadRow:
    """One row again, after a person corrected its text: a file of its own, without a bad row.

    `header` is the BadRow's own, `line` the row's place in its file. Whether another row has
    the same `external_id` is not looked at here.
    """
    if kind == "csv":
        data, file_name = f"{header}\n{raw}\n", "row.csv"
    else:
        data, file_name = f"BEGIN:VCALENDAR\n{header}\n{raw}\nEND:VCALENDAR\n", "row.ics"
    try:
        file = read_calendar(
            data.encode("utf-8", "replace"),
            practice_timezone=practice_timezone,
            file_name=file_name,
            now=now,
        )
    except CalendarFileUnreadable as error:
        mistake = Mistake(line, "row", error.code, "the text cannot be read", str(error))
        return BadRow(line, Phi(raw), (mistake,), header)
    found = len(_identifiers(file)) + len(file.bad) + file.merged
    if found != 1:
        mistake = Mistake(
            line, "row", "not_one_row", f"it holds {found} rows", "correct one row at a time"
        )
        return BadRow(line, Phi(raw), (mistake,), header)
    if file.bad:
        mistakes = tuple(replace(mistake, line=line) for mistake in file.bad[0].mistakes)
        return BadRow(line, Phi(raw), mistakes, header)
    return replace(file, rows=tuple(replace(row, line=line) for row in file.rows))


def _identifiers(file: CalendarFile) -> set[str]:
    """A series is one row, however many dates it has."""
    return {row.series or row.external_id for row in file.rows} | {one.uid for one in file.series}


def _settle(
    kind: FileKind, readings: Sequence[Reading], merged: int, notes: list[str]
) -> CalendarFile:
    """Merge rows that repeat another; refuse rows that contradict an earlier one."""
    kept: dict[str, Reading] = {}
    bad: list[BadRow] = []
    repeated = 0
    for reading in readings:
        if reading.mistakes or reading.identifier is None:
            bad.append(reading.bad())
            continue
        earlier = kept.setdefault(reading.identifier, reading)
        if earlier is reading:
            continue
        if _content(earlier) == _content(reading):
            repeated += 1
        else:
            bad.append(reading.bad(_contradiction(kind, earlier.line, reading.line)))
    rows = tuple(row for reading in kept.values() for row in reading.rows)
    series = tuple(reading.series for reading in kept.values() if reading.series)
    if repeated:
        notes.append(f"rows that repeat an earlier one were merged: {repeated}")
    notes += _reach_notes(rows)
    if not readings:
        notes.append("the file has no appointments")
    return CalendarFile(kind, rows, tuple(bad), merged + repeated, tuple(notes), series)


def _content(reading: Reading) -> list[AppointmentRow]:
    return [replace(row, line=0) for row in reading.rows]


def _contradiction(kind: FileKind, earlier: int, line: int) -> Mistake:
    return Mistake(
        line,
        "external_id" if kind == "csv" else "UID",
        "duplicate_external_id",
        f"line {earlier} has the same identifier with other content",
        "keep the right one of the two, or give this one an identifier of its own",
    )


def _reach_notes(rows: Sequence[AppointmentRow]) -> list[str]:
    found = [row.line for row in rows if row.client_email is None]
    if not found:
        return []
    lines = [str(line) for line in dict.fromkeys(found)]
    shown = ", ".join(lines[:LINES_NAMED]) + (", …" if len(lines) > LINES_NAMED else "")
    return [f"appointments whose client no e-mail can reach: {len(found)} (lines {shown})"]
