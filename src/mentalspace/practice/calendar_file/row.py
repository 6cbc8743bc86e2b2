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
    """One appointment. `line` is the physical line of the file where it begins; `series` is the
    identifier of the recurring event it is a date of."""

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
    series: str | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """A recurring event that the file holds whole: a date of it that is not among `external_ids`
    and lies ahead takes place no more."""

    uid: str
    external_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Window:
    """The time within which a series becomes appointments."""

    first: datetime
    last: datetime


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

    `merged` are rows repeating another word for word, and older versions of an event. A series
    has as many rows as it has dates within the window.
    """

    kind: FileKind
    rows: tuple[AppointmentRow, ...]
    bad: tuple[BadRow, ...]
    merged: int
    notes: tuple[str, ...]
    series: tuple[Series, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a parser made of one data row, or of one series, before duplicates are looked for."""

    line: int
    raw: Phi[str]
    header: str
    rows: tuple[AppointmentRow, ...]
    mistakes: tuple[Mistake, ...]
    series: Series | None = None

    @property
    def identifier(self) -> str | None:
        """What two rows must not share; None where none was read."""
        if self.series:
            return self.series.uid
        return self.rows[0].external_id if self.rows else None

    def bad(self, *more: Mistake) -> BadRow:
        return BadRow(self.line, self.raw, self.mistakes + more, self.header)
