"""Reads a front desk's calendar, CSV or iCalendar, into rows that are good and rows to correct.

Pure functions over bytes: no database, no clock, no network. Nothing here guesses about a person:
what is doubtful becomes a `BadRow` that keeps its text and says how to cure it.
"""

from mentalspace.practice.calendar_file.ical_series import occurrence_id
from mentalspace.practice.calendar_file.reader import read_calendar, read_row
from mentalspace.practice.calendar_file.row import (
    AppointmentRow,
    BadRow,
    CalendarFile,
    CalendarFileUnreadable,
    FileKind,
    Mistake,
    RowStatus,
    Series,
)

__all__ = [
    "AppointmentRow",
    "BadRow",
    "CalendarFile",
    "CalendarFileUnreadable",
    "FileKind",
    "Mistake",
    "RowStatus",
    "Series",
    "occurrence_id",
    "read_calendar",
    "read_row",
]
