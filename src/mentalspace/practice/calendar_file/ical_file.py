"""The iCalendar half: every VEVENT to an appointment or to a series, the newest version of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from mentalspace.kernel.phi import Phi
from mentalspace.practice.calendar_file.ical_event import Event, read_appointment, read_event
from mentalspace.practice.calendar_file.ical_series import read_changed_date, read_series
from mentalspace.practice.calendar_file.ical_text import split_events
from mentalspace.practice.calendar_file.row import (
    AppointmentRow,
    CalendarFileUnreadable,
    Reading,
    Window,
)

MAX_SERIES = 2_000


@dataclass(slots=True)
class _Versions:
    """All events with one UID; `apart` are those whose number cannot be read."""

    events: list[Event] = field(default_factory=list)
    changes: list[Event] = field(default_factory=list)
    apart: list[Event] = field(default_factory=list)

    def add(self, event: Event) -> None:
        if event.is_change:
            self.changes.append(event)
        elif event.sequence is None:
            self.apart.append(event)
        else:
            self.events.append(event)


def looks_like_ical(data: bytes, file_name: str) -> bool:
    """The content decides; the name only where the content shows nothing."""
    head = data[:400]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "replace").encode("utf-8", "replace")
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip().upper()
    return head.startswith(b"BEGIN:VCALENDAR") or file_name.lower().endswith((".ics", ".ical"))


def read_ical(data: bytes, zone: tzinfo, window: Window) -> tuple[list[Reading], int, list[str]]:
    """Every event and series in file order, how many older versions were left out, and notes.

    Times without a zone are on the wall clock of `zone`, the practice's. A series becomes the
    appointments it has within the window.
    """
    texts, notes = split_events(data)
    versions: dict[str | int, _Versions] = {}
    for number, text in enumerate(texts):
        event = read_event(text, zone)
        versions.setdefault(event.uid or number, _Versions()).add(event)
    if sum(event.repeats for group in versions.values() for event in group.events) > MAX_SERIES:
        raise CalendarFileUnreadable(
            "too_many_series",
            f"The file holds more than {MAX_SERIES} recurring events; "
            "export fewer calendars at a time and import them one after the other.",
        )
    readings: list[Reading] = []
    older = 0
    for group in versions.values():
        found, left_out = _read_versions(group, zone, window)
        readings += found
        older += left_out
    readings.sort(key=lambda reading: reading.line)
    if older:
        notes.append(f"older versions of an event were left out: {older}")
    return readings, older, notes + _notes(readings, window, zone)


def _read_versions(group: _Versions, zone: tzinfo, window: Window) -> tuple[list[Reading], int]:
    events = _newest(group.events)
    changes = _newest_of_each_date(group.changes)
    older = len(group.events) + len(group.changes) - len(events) - len(changes)
    readings = [_read_single(event, zone) for event in group.apart]
    if events and (changes or any(event.repeats for event in events)):
        readings += [read_series(event, changes, zone, window) for event in events]
    else:
        readings += [_read_single(event, zone) for event in events]
        readings += [_read_change(change, zone) for change in changes]
    return readings, older


def _read_single(event: Event, zone: tzinfo) -> Reading:
    return _reading(event, read_appointment(event, zone))


def _read_change(change: Event, zone: tzinfo) -> Reading:
    return _reading(change, read_changed_date(change, zone))


def _reading(event: Event, row: AppointmentRow | None) -> Reading:
    header = event.text.calendar.header(event.raw)
    rows = () if row is None else (row,)
    return Reading(event.text.line, Phi(event.raw), header, rows, tuple(event.mistakes.found))


def _newest(events: Sequence[Event]) -> list[Event]:
    newest = max((event.sequence or 0 for event in events), default=0)
    return [event for event in events if event.sequence == newest]


def _newest_of_each_date(changes: Iterable[Event]) -> list[Event]:
    """And those of which the date or the version cannot be read."""
    kept: dict[datetime | int, Event] = {}
    for number, change in enumerate(changes):
        if change.replaces is None or change.sequence is None:
            kept[number] = change
            continue
        other = kept.setdefault(change.replaces, change)
        if (other.sequence or 0) < change.sequence:
            kept[change.replaces] = change
        elif other.sequence == change.sequence and other.text.lines != change.text.lines:
            change.mistakes.add(
                "RECURRENCE-ID",
                "duplicate_external_id",
                f"line {other.text.line} changes the same date to something else",
                "keep the right one of the two",
            )
            kept[number] = change
    return list(kept.values())


def _notes(readings: Sequence[Reading], window: Window, zone: tzinfo) -> list[str]:
    notes: list[str] = []
    series = [reading for reading in readings if reading.series and not reading.mistakes]
    if series:
        first, last = (f"{at.astimezone(zone):%Y-%m-%d}" for at in (window.first, window.last))
        count = sum(len(reading.rows) for reading in series)
        notes.append(
            f"recurring events: {len(series)}, with {count} appointments from {first} to {last}; "
            "import the calendar again later for those that come after"
        )
    good = [reading.rows[0] for reading in readings if reading.rows and not reading.mistakes]
    nameless = sum(1 for row in good if not row.client_email)
    if nameless:
        notes.append(
            f"clients told apart by their name alone, as no guest has an address: {nameless}"
        )
    return notes
