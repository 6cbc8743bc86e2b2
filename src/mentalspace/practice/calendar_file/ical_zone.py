"""The zones of an iCalendar file: by IANA name, by the file's own definition, by Windows name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Timezone
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from mentalspace.practice.calendar_file.field import zones
from mentalspace.practice.calendar_file.ical_property import parse_line

# A rule is walked from its first year on, so one by the second would never end.
RULE_PARTS = frozenset({"FREQ", "BYMONTH", "BYDAY", "BYMONTHDAY", "UNTIL", "WKST"})
MAX_DEFINITION_LINES = 500


def find_zone(name: str, definitions: Mapping[str, Sequence[str]]) -> tzinfo | None:
    """None where the name says nothing and the file does not define it.

    `definitions` are the file's VTIMEZONEs as content lines, by TZID. An IANA name wins over
    the file's definition, which often covers one year only.
    """
    if name in zones():
        return ZoneInfo(name)
    if name in definitions:
        return _defined(definitions[name])
    olson = WINDOWS_TO_OLSON.get(name)
    return ZoneInfo(olson) if olson else None


def _defined(lines: Sequence[str]) -> tzinfo | None:
    if len(lines) > MAX_DEFINITION_LINES or not all(_rule_is_yearly(line) for line in lines):
        return None
    # Without its TZID, so that icalendar does not keep it for the next file's sake.
    kept = [line for line in lines if not line.upper().startswith(("TZID", "X-"))]
    try:
        component: Any = Timezone.from_ical("\r\n".join([*kept, ""]).encode())
        component.add("TZID", "of the file")
        zone: tzinfo = component.to_tz(lookup_tzid=False)
        datetime(2026, 1, 1, tzinfo=UTC).astimezone(zone)
    except Exception:
        # The library says nowhere what it raises for a definition that makes no sense.
        return None
    return zone


def _rule_is_yearly(line: str) -> bool:
    if not line.upper().startswith("RRULE"):
        return True
    rule = parse_line(line)
    parts = dict(part.partition("=")[::2] for part in rule.value.upper().split(";")) if rule else {}
    return parts.get("FREQ") == "YEARLY" and RULE_PARTS.issuperset(parts)
