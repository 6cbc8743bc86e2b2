"""Reads a front desk's calendar, CSV or iCalendar, into rows that are good and rows to correct.

Pure functions over bytes: no database, no clock, no network. Nothing here guesses about a person:
what is doubtful becomes a `BadRow` that keeps its text and says how to cure it.
"""

from mentalspace.practice.calendar_file.reader import read_calendar, read_row
from mentalspace.practice.calendar_file.row import (
    AppointmentRow,
    BadRow,
    CalendarFile,
    CalendarFileUnreadable,
    FileKind,
    Mistake,
    RowStatus,
)

__all__ = [
    "AppointmentRow",
    "BadRow",
    "CalendarFile",
    "CalendarFileUnreadable",
    "FileKind",
    "Mistake",
    "RowStatus",
    "read_calendar",
    "read_row",
]
