"""The CSV half: physical lines to records, records to appointments."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from mentalspace.kernel.phi import Phi
from mentalspace.practice.calendar_file import field, moment
from mentalspace.practice.calendar_file.field import Mistakes
from mentalspace.practice.calendar_file.row import (
    AppointmentRow,
    CalendarFileUnreadable,
    Reading,
)

REQUIRED = ("external_id", "client_external_id", "client_name", "starts_at", "duration_min")
OPTIONAL = (
    "client_email",
    "client_phone",
    "client_timezone",
    "client_language",
    "clinician_email",
    "status",
)
COLUMNS = frozenset(REQUIRED + OPTIONAL)
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# A quote left open swallows what follows; a real cell is never this long.
MAX_RECORD_LINES = 50
PLAIN_HEADING = re.compile(r"[A-Za-z][A-Za-z_ -]{0,30}")


@dataclass(frozen=True, slots=True)
class _Record:
    """One record and the text it came from; `cells` is None where its quotes are broken."""

    line: int
    raw: str
    cells: tuple[str, ...] | None

    @property
    def blank(self) -> bool:
        return self.cells is not None and not any(cell.strip() for cell in self.cells)


@dataclass(frozen=True, slots=True)
class _Header:
    raw: str
    delimiter: str
    columns: tuple[str, ...]


def read_csv(text: str, zone: tzinfo) -> tuple[list[Reading], list[str]]:
    """Every data row in file order, and notes. Local times are read in `zone`."""
    lines = _lines(text)
    header, first = _find_header(lines)
    notes = _header_notes(header)
    readings: list[Reading] = []
    blank = 0
    for record in _records(lines, first, header.delimiter):
        if record.blank:
            blank += 1
            continue
        readings.append(_read_record(record, header, zone))
    if blank:
        notes.append(f"rows without a single value were skipped: {blank}")
    return readings, notes


def _lines(text: str) -> list[str]:
    """Physical lines with their endings, whichever of the three they are."""
    return io.StringIO(text, newline="").readlines()


def _records(lines: Sequence[str], first: int, delimiter: str) -> Iterator[_Record]:
    position = first
    while position < len(lines):
        if not lines[position].strip("\r\n"):
            position += 1
            continue
        window = iter(lines[position : position + MAX_RECORD_LINES])
        reader = csv.reader(window, delimiter=delimiter, strict=True)
        try:
            cells: tuple[str, ...] | None = tuple(next(reader))
            length = reader.line_num
        except csv.Error:
            # Give up this physical line only, so that one open quote costs one row.
            cells, length = None, 1
        raw = "".join(lines[position : position + length]).rstrip("\r\n")
        yield _Record(position + 1, raw, cells)
        position += length


def _find_header(lines: Sequence[str]) -> tuple[_Header, int]:
    first = next(i for i, line in enumerate(lines) if line.strip())
    if re.fullmatch(r"sep=.\s*", lines[first], re.IGNORECASE):  # Excel's own hint
        first += 1
    best: tuple[int, _Header, int] | None = None
    for delimiter in DELIMITERS:
        record = next(_records(lines, first, delimiter), None)
        if record is None or record.cells is None:
            continue
        columns = tuple(re.sub(r"[\s-]+", "_", cell.strip().lower()) for cell in record.cells)
        matches = len(COLUMNS.intersection(columns))
        if best is None or matches > best[0]:
            after = first + len(_lines(record.raw)) if record.raw else first + 1
            best = (matches, _Header(record.raw, delimiter, columns), after)
    if best is None:
        raise CalendarFileUnreadable(
            "header_broken",
            f"Line {first + 1} should name the columns, but its quotes do not match; "
            "export the file again.",
        )
    _check_header(best[1], first + 1)
    return best[1], best[2]


def _check_header(header: _Header, line: int) -> None:
    missing = [name for name in REQUIRED if name not in header.columns]
    if missing:
        raise CalendarFileUnreadable(
            "missing_columns",
            f"Line {line} should name the columns, but lacks {', '.join(missing)}; "
            "add them to the first line, in any order.",
        )
    twice = sorted(name for name in COLUMNS if header.columns.count(name) > 1)
    if twice:
        raise CalendarFileUnreadable(
            "column_twice",
            f"Line {line} names {', '.join(twice)} more than once; keep one column of each.",
        )


def _header_notes(header: _Header) -> list[str]:
    notes: list[str] = []
    if header.delimiter != ",":
        notes.append(f"columns are separated by {DELIMITERS[header.delimiter]}")
    unknown = [
        name.replace("_", " ") if PLAIN_HEADING.fullmatch(name) else f"number {position}"
        for position, name in enumerate(header.columns, 1)
        if name and name not in COLUMNS
    ]
    if unknown:
        notes.append(f"columns not read: {', '.join(unknown)}")
    return notes


def _read_record(record: _Record, header: _Header, zone: tzinfo) -> Reading:
    mistakes = Mistakes(record.line)
    row = None
    if record.cells is None:
        mistakes.add(
            "row",
            "broken_quotes",
            "a quotation mark is open, or stands in the middle of a value",
            "put quotes around the whole value and double those inside it",
        )
    elif any(cell.strip() for cell in record.cells[len(header.columns) :]):
        mistakes.add(
            "row",
            "too_many_values",
            f"it has {len(record.cells)} values for {len(header.columns)} columns",
            "put quotes around a value that contains the separator",
        )
    else:
        values = dict(zip(header.columns, record.cells, strict=False))
        row = _read_values(lambda column: values.get(column, ""), zone, mistakes)
    rows = () if row is None else (row,)
    return Reading(record.line, Phi(record.raw), header.raw, rows, tuple(mistakes.found))


def _read_values(
    value: Callable[[str], str], zone: tzinfo, mistakes: Mistakes
) -> AppointmentRow | None:
    """None only where there is no start; any mistake makes the row a bad one."""
    external_id = field.read_id(value("external_id"), "external_id", mistakes)
    client_id = field.read_id(value("client_external_id"), "client_external_id", mistakes)
    name = field.read_name(value("client_name"), "client_name", mistakes)
    email = field.read_email(value("client_email"), "client_email", mistakes)
    phone = field.read_phone(value("client_phone"), "client_phone", mistakes)
    client_zone = field.read_zone(value("client_timezone"), "client_timezone", mistakes)
    language = field.read_language(value("client_language"), "client_language", mistakes)
    clinician = field.read_email(value("clinician_email"), "clinician_email", mistakes)
    starts_at = moment.read_iso(value("starts_at"), "starts_at", zone, mistakes)
    duration_min = field.read_duration(value("duration_min"), "duration_min", mistakes)
    status = field.read_status(value("status"), "status", mistakes)
    if starts_at is None:
        return None
    return AppointmentRow(
        line=mistakes.line,
        external_id=external_id,
        client_external_id=client_id,
        client_name=Phi(name),
        client_email=Phi(email) if email else None,
        client_phone=Phi(phone) if phone else None,
        client_timezone=client_zone,
        client_language=language,
        clinician_email=clinician,
        starts_at=starts_at,
        duration_min=duration_min,
        status=status,
    )
