"""The physical side of iCalendar: bytes to content lines, content lines to events."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from mentalspace.practice.calendar_file.row import CalendarFileUnreadable
from mentalspace.practice.calendar_file.text import decode

OTHER_COMPONENTS = ("BEGIN:VTODO", "BEGIN:VJOURNAL", "BEGIN:VFREEBUSY", "BEGIN:VAVAILABILITY")


@dataclass(slots=True)
class Calendar:
    """One VCALENDAR: what its events need to know beside their own lines."""

    method: str = ""
    definitions: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def header(self, raw: str) -> str:
        """The part of it that an event with this text depends on."""
        lines = [f"METHOD:{self.method}"] if self.method else []
        for name, definition in self.definitions.items():
            if name in raw:
                lines += definition
        return "\n".join(lines)


@dataclass(slots=True)
class EventText:
    """One VEVENT: the physical line of its BEGIN, and its unfolded lines, both ends included."""

    line: int
    calendar: Calendar
    lines: list[str] = field(default_factory=list)
    closed: bool = False


def split_events(data: bytes) -> tuple[list[EventText], list[str]]:
    """Every VEVENT of every VCALENDAR, whole or cut off, and notes."""
    numbers, lines, notes = _content_lines(data)
    if not any(line.upper() == "BEGIN:VCALENDAR" for line in lines):
        raise CalendarFileUnreadable(
            "not_a_calendar",
            "The file is named like an iCalendar file, but has no line BEGIN:VCALENDAR; "
            "export the calendar again.",
        )
    others = sum(line.upper() in OTHER_COMPONENTS for line in lines)
    if others:
        notes.append(f"entries that are no events were skipped: {others}")
    return _events(numbers, lines), notes


def _content_lines(data: bytes) -> tuple[list[int], list[str], list[str]]:
    """Unfolds before decoding: some programs fold in the middle of a character."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = decode(data)[0].encode("utf-8", "replace")
    numbers: list[int] = []
    parts: list[list[bytes]] = []
    for number, line in enumerate(re.split(rb"\r\n|\n|\r", data), 1):
        if line.startswith((b" ", b"\t")) and parts:
            parts[-1].append(line[1:])
        elif line.strip():
            numbers.append(number)
            parts.append([line])
    joined = b"\n".join(b"".join(part) for part in parts)
    text, notes = decode(joined, numbers)
    return numbers, [line.rstrip() for line in text.split("\n")], notes


def _events(numbers: Sequence[int], lines: Sequence[str]) -> list[EventText]:
    events: list[EventText] = []
    calendar = Calendar()
    event: EventText | None = None
    definition: list[str] | None = None
    for number, line in zip(numbers, lines, strict=True):
        match line.upper():
            case "BEGIN:VCALENDAR":
                calendar, event, definition = Calendar(), None, None
            case "END:VCALENDAR":
                event = definition = None
            case "BEGIN:VEVENT":
                event, definition = EventText(number, calendar, [line]), None
                events.append(event)
            case "END:VEVENT" if event is not None:
                event.lines.append(line)
                event.closed, event = True, None
            case "BEGIN:VTIMEZONE" if event is None:
                definition = [line]
            case "END:VTIMEZONE" if definition is not None:
                calendar.definitions.setdefault(_tzid(definition), (*definition, line))
                definition = None
            case upper if event is None and definition is None and upper.startswith("METHOD:"):
                calendar.method = upper.removeprefix("METHOD:").strip()
            case _:
                if event is not None:
                    event.lines.append(line)
                elif definition is not None:
                    definition.append(line)
    return events


def _tzid(definition: Sequence[str]) -> str:
    found = (line.partition(":")[2] for line in definition if line.upper().startswith("TZID"))
    return next(found, "").strip()
