"""Opens a calendar file of either kind, and settles rows that claim the same appointment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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
)
from mentalspace.practice.calendar_file.text import check_bytes, decode

LINES_NAMED = 10


def read_calendar(data: bytes, *, practice_timezone: str, file_name: str) -> CalendarFile:
    """Every row of the file, good or to be corrected.

    `practice_timezone` is the IANA zone of times written without one. Only the ending of
    `file_name` matters, and only where the content does not show its kind. Raises
    CalendarFileUnreadable when no row can be read at all.
    """
    check_bytes(data)
    zone = ZoneInfo(practice_timezone)
    if looks_like_ical(data, file_name):
        readings, superseded, notes = read_ical(data, zone)
        return _settle("ical", readings, superseded, notes)
    text, notes = decode(data)
    readings, more = read_csv(text, zone)
    return _settle("csv", readings, 0, notes + more)


def read_row(
    raw: str, *, kind: FileKind, header: str, practice_timezone: str, line: int = 1
) -> AppointmentRow | BadRow:
    """One row again, after a person corrected its text.

    `header` is the BadRow's own, `line` the row's place in its file. Whether another row has
    the same `external_id` is not looked at here.
    """
    if kind == "csv":
        data, file_name = f"{header}\n{raw}\n", "row.csv"
    else:
        data, file_name = f"BEGIN:VCALENDAR\n{header}\n{raw}\nEND:VCALENDAR\n", "row.ics"
    try:
        encoded = data.encode("utf-8", "replace")
        file = read_calendar(encoded, practice_timezone=practice_timezone, file_name=file_name)
    except CalendarFileUnreadable as error:
        mistake = Mistake(line, "row", error.code, "the text cannot be read", str(error))
        return BadRow(line, Phi(raw), (mistake,), header)
    if len(file.rows) == 1 and not file.bad and not file.merged:
        return replace(file.rows[0], line=line)
    if len(file.bad) == 1 and not file.rows and not file.merged:
        mistakes = tuple(replace(mistake, line=line) for mistake in file.bad[0].mistakes)
        return BadRow(line, Phi(raw), mistakes, header)
    found = len(file.rows) + len(file.bad) + file.merged
    mistake = Mistake(
        line, "row", "not_one_row", f"it holds {found} rows", "correct one row at a time"
    )
    return BadRow(line, Phi(raw), (mistake,), header)


def _settle(
    kind: FileKind, readings: Sequence[Reading], merged: int, notes: list[str]
) -> CalendarFile:
    """Merge rows that repeat another; refuse rows that contradict an earlier one."""
    rows: dict[str, AppointmentRow] = {}
    bad: list[BadRow] = []
    repeated = 0
    for reading in readings:
        row = reading.good
        if row is None:
            bad.append(reading.bad())
            continue
        earlier = rows.setdefault(row.external_id, row)
        if earlier is row:
            continue
        if replace(earlier, line=row.line) == row:
            repeated += 1
        else:
            bad.append(reading.bad(_contradiction(kind, earlier, row)))
    if repeated:
        notes.append(f"rows that repeat an earlier one were merged: {repeated}")
    notes += _reach_notes(tuple(rows.values()))
    if not readings:
        notes.append("the file has no appointments")
    return CalendarFile(kind, tuple(rows.values()), tuple(bad), merged + repeated, tuple(notes))


def _contradiction(kind: FileKind, earlier: AppointmentRow, row: AppointmentRow) -> Mistake:
    return Mistake(
        row.line,
        "external_id" if kind == "csv" else "UID",
        "duplicate_external_id",
        f"line {earlier.line} has the same identifier with other content",
        "keep the right one of the two, or give this one an identifier of its own",
    )


def _reach_notes(rows: Sequence[AppointmentRow]) -> list[str]:
    lines = [str(row.line) for row in rows if row.client_email is None]
    if not lines:
        return []
    shown = ", ".join(lines[:LINES_NAMED]) + (", …" if len(lines) > LINES_NAMED else "")
    return [f"appointments whose client no e-mail can reach: {len(lines)} (lines {shown})"]
