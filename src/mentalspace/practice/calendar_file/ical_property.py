"""The properties of one VEVENT that we read, and nothing of the alarms inside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from icalendar.parser import Contentline

from mentalspace.practice.calendar_file.field import Mistakes
from mentalspace.practice.calendar_file.ical_text import EventText

SINGLE = (
    "UID",
    "SEQUENCE",
    "DTSTART",
    "DTEND",
    "DURATION",
    "STATUS",
    "SUMMARY",
    "ORGANIZER",
    "RRULE",
    "RECURRENCE-ID",
)
REPEATING = ("RRULE", "RDATE", "EXRULE")
READ = frozenset((*SINGLE, *REPEATING, "EXDATE", "ATTENDEE"))

NAME = re.compile(r"([A-Za-z0-9-]+)[;:]")


@dataclass(frozen=True, slots=True)
class Property:
    value: str
    params: Mapping[str, object]

    def param(self, name: str) -> str:
        value = self.params.get(name, "")
        return str(value[0] if isinstance(value, list) and value else value).strip()


Properties = dict[str, list[Property]]


def read_properties(event: EventText, mistakes: Mistakes) -> Properties:
    """The properties we read, leaving out those of components inside, such as an alarm."""
    properties: Properties = {}
    depth = 0
    before = ""
    for line in event.lines[1:]:
        named = NAME.match(line)
        name = named[1].upper() if named else before
        if name in ("BEGIN", "END"):
            depth += 1 if name == "BEGIN" else -1
        elif depth == 0 and name in READ:
            parsed = parse_line(line) if named else None
            if parsed is None:
                _malformed(name, mistakes)
            else:
                properties.setdefault(name, []).append(parsed)
        before = name
    for name in SINGLE:
        if len(properties.get(name, ())) > 1:
            mistakes.add(name, "property_twice", "it is there more than once", "keep one of them")
    return properties


def parse_line(line: str) -> Property | None:
    try:
        _name, params, value = Contentline(line).parts()  # type: ignore[no-untyped-call]
    except ValueError:  # its text quotes the line
        return None
    return Property(value, params)


def _malformed(name: str, mistakes: Mistakes) -> None:
    mistakes.add(
        name,
        "malformed_line",
        "the line does not have the form NAME;PARAMETER=value:value",
        "write it in that form, or begin its continuation with a space",
    )


def first_value(properties: Properties, name: str) -> str:
    found = properties.get(name)
    return found[0].value if found else ""


def address(person: Property) -> str:
    """The address of a mailto:, of the EMAIL parameter, or the bare value."""
    scheme, colon, rest = person.value.strip().partition(":")
    if not colon:
        return scheme
    if scheme.lower() == "mailto":
        return unquote(rest.partition("?")[0]).strip()
    return person.param("EMAIL")
