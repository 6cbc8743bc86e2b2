"""What a calendar file becomes: appointments, rows to correct, and notes on the whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mentalspace.kernel.errors import MentalSpaceError
from mentalspace.kernel.phi import Phi

FileKind = Literal["csv", "ical"]
RowStatus = Literal["scheduled", "cancelled"]


class CalendarFileUnreadable(MentalSpaceError):
    """The file as a whole cannot be read. `code` is stable; the text names the cure."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class AppointmentRow:
    """One appointment. `line` is the physical line of the file where it begins."""

    line: int
    external_id: str
    client_external_id: str
    client_name: Phi[str]
    client_email: Phi[str] | None
    client_phone: Phi[str] | None  # as written, with 7 to 15 digits
    client_timezone: str | None  # IANA
    client_language: str | None  # BCP 47
    clinician_email: str | None
    starts_at: datetime
    duration_min: int  # 1 to 1440
    status: RowStatus


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong with a row. `code` is stable; `text` and `cure` never quote a value.

    `column` is a CSV column or an iCalendar property, or `row` for the row as a whole.
    """

    line: int
    column: str
    code: str
    text: str
    cure: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row to correct. `raw` is its text; `header` is what `read_row` needs beside it."""

    line: int
    raw: Phi[str]
    mistakes: tuple[Mistake, ...]
    header: str = ""


@dataclass(frozen=True, slots=True)
class CalendarFile:
    """Every row of the file is in `rows`, in `bad`, or counted in `merged`.

    `merged` are rows repeating another word for word, and older versions of an event.
    """

    kind: FileKind
    rows: tuple[AppointmentRow, ...]
    bad: tuple[BadRow, ...]
    merged: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a parser made of one data row, before duplicates are looked for."""

    line: int
    raw: Phi[str]
    header: str
    row: AppointmentRow | None
    mistakes: tuple[Mistake, ...]

    @property
    def good(self) -> AppointmentRow | None:
        return None if self.mistakes else self.row

    def bad(self, *more: Mistake) -> BadRow:
        return BadRow(self.line, self.raw, self.mistakes + more, self.header)
