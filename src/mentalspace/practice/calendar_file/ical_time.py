"""When an event begins and how long it lasts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from icalendar.prop import vDatetime, vDuration

from mentalspace.practice.calendar_file import field, moment
from mentalspace.practice.calendar_file.field import Mistakes
from mentalspace.practice.calendar_file.ical_property import Properties, Property, first_value
from mentalspace.practice.calendar_file.ical_text import Calendar
from mentalspace.practice.calendar_file.ical_zone import find_zone

DATE = re.compile(r"[0-9]{8}")
DATE_TIME = re.compile(r"[0-9]{8}T[0-9]{6}Z?", re.IGNORECASE)
DURATION = re.compile(r"\+?P([0-9]{1,3}W|([0-9]{1,3}D)?(T[0-9HMS]{2,16})?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WallTime:
    """What a clock in the zone shows; `local` has no zone of its own."""

    local: datetime
    zone: tzinfo

    @property
    def instant(self) -> datetime:
        # A time shown twice is the first; a skipped one keeps the offset from before the gap.
        # source: https://www.rfc-editor.org/rfc/rfc5545#section-3.3.5
        return self.local.replace(tzinfo=self.zone, fold=0).astimezone(UTC)


def read_time(
    column: str, properties: Properties, calendar: Calendar, zone: tzinfo, mistakes: Mistakes
) -> datetime | None:
    wall = read_wall_time(column, properties, calendar, zone, mistakes)
    return None if wall is None else wall.instant


def read_wall_time(
    column: str, properties: Properties, calendar: Calendar, zone: tzinfo, mistakes: Mistakes
) -> WallTime | None:
    found = properties.get(column)
    if not found:
        mistakes.add(column, "missing_value", "it is missing", "give the date and time")
        return None
    return read_value(column, found[0], found[0].value, calendar, zone, mistakes)


def read_value(
    column: str,
    found: Property,
    value: str,
    calendar: Calendar,
    zone: tzinfo,
    mistakes: Mistakes,
) -> WallTime | None:
    """One value of a property that may list several."""
    value = value.strip()
    if is_day(found, value):
        mistakes.add(
            column, "all_day", "a whole day, without a time", "give the appointment a time of day"
        )
        return None
    local = parse_local(value)
    if local is None:
        mistakes.add(column, "not_a_time", "not a date and time", "write it like 20260309T143000")
        return None
    name = found.param("TZID")
    if local.tzinfo is not None:
        local, zone = local.replace(tzinfo=None), UTC
    elif name:
        named = find_zone(name, calendar.definitions)
        if named is None:
            mistakes.add(
                column,
                "unknown_zone",
                "its TZID is no IANA name, and the file has no usable VTIMEZONE for it",
                "use a name such as America/New_York, or export the calendar with its time zones",
            )
            return None
        zone = named
    if moment.check_year(local.replace(tzinfo=UTC), column, mistakes) is None:
        return None
    return WallTime(local, zone)


def is_day(found: Property, value: str) -> bool:
    return found.param("VALUE").upper() == "DATE" or DATE.fullmatch(value) is not None


def parse_local(value: str) -> datetime | None:
    """A date and time as written; aware where it says that it is in UTC."""
    if not DATE_TIME.fullmatch(value):
        return None
    try:
        local: datetime = vDatetime.from_ical(value.upper())  # type: ignore[no-untyped-call]
    except ValueError:
        return None
    # Keep a day's distance from the ends of the calendar, where changing the zone overflows.
    return local if 2 <= local.year <= 9998 else local.replace(year=2, month=1, day=2)


def read_duration(
    starts_at: datetime | None,
    properties: Properties,
    calendar: Calendar,
    zone: tzinfo,
    mistakes: Mistakes,
) -> int:
    column, length = "DURATION", None
    if "DTEND" in properties:
        column = "DTEND"
        ends_at = read_time(column, properties, calendar, zone, mistakes)
        if ends_at is None or starts_at is None:
            return 0
        length = ends_at - starts_at
    elif "DURATION" in properties:
        length = _length(first_value(properties, "DURATION").strip())
        if length is None:
            mistakes.add(column, "not_a_duration", "not a duration", "write it like PT50M")
            return 0
    else:
        mistakes.add(
            "DTEND", "missing_value", "neither DTEND nor DURATION is there", "give the end"
        )
        return 0
    minutes, rest = divmod(length, timedelta(minutes=1))
    if rest:
        mistakes.add(
            column,
            "duration_uneven",
            "the length is not a whole number of minutes",
            "let it end on a full minute",
        )
        return 0
    return field.check_duration(minutes, column, mistakes)


def _length(value: str) -> timedelta | None:
    if not DURATION.fullmatch(value):
        return None
    try:
        length: timedelta = vDuration.from_ical(value.upper())  # type: ignore[no-untyped-call]
    except ValueError:
        return None
    return length
