"""From a wall-clock time in a zone to an instant, and what a clock change does to it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from mentalspace.practice.calendar_file.field import Mistakes

YEARS = range(1990, 2101)
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.0+)?)?"
    r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)?",
    re.IGNORECASE,
)
EXAMPLE = "2026-03-09T14:30, or 2026-03-09T14:30-04:00 with its offset from UTC"


def instants(local: datetime, zone: tzinfo) -> list[datetime]:
    """Every instant at which a clock in the zone shows this time: none in a gap, two in a fold."""
    found: list[datetime] = []
    for fold in (0, 1):
        instant = local.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None, fold=0) == local and instant not in found:
            found.append(instant)
    return found


def read_iso(value: str, column: str, zone: tzinfo, mistakes: Mistakes) -> datetime | None:
    """ISO 8601, with an offset or on the practice's wall clock; the instant in UTC."""
    value = value.strip()
    if not value:
        mistakes.add(column, "missing_value", "it is empty", f"write {EXAMPLE}")
        return None
    if ISO_DATE.fullmatch(value):
        mistakes.add(column, "time_missing", "a date without a time of day", f"write {EXAMPLE}")
        return None
    moment = _iso(value)
    if moment is None:
        mistakes.add(
            column,
            "not_a_time",
            "not a date and time in ISO 8601",
            f"write {EXAMPLE}; in a spreadsheet, format the column as text first",
        )
        return None
    return check_year(_to_utc(moment, column, zone, mistakes), column, mistakes)


def check_year(moment: datetime | None, column: str, mistakes: Mistakes) -> datetime | None:
    if moment is not None and moment.year not in YEARS:
        mistakes.add(
            column,
            "year_range",
            f"the year is outside {YEARS.start} to {YEARS.stop - 1}",
            "write the year with four digits",
        )
        return None
    return moment


def _iso(value: str) -> datetime | None:
    if not ISO.fullmatch(value):
        return None
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        return None
    # Keep a day's distance from the ends of the calendar, where changing the zone overflows.
    return moment if 2 <= moment.year <= 9998 else moment.replace(year=2, month=1, day=2)


def _to_utc(moment: datetime, column: str, zone: tzinfo, mistakes: Mistakes) -> datetime | None:
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    found = instants(moment, zone)
    if len(found) == 1:
        return found[0]
    if found:
        mistakes.add(
            column,
            "time_twice",
            "the clock shows this time twice that day, as it goes back an hour",
            f"add the offset: {_offset(moment, zone, 0)} for the first, "
            f"{_offset(moment, zone, 1)} for the second",
        )
    else:
        mistakes.add(
            column,
            "time_skipped",
            "there is no such time that day: the clock goes forward over it",
            "choose a time before or after the change, or add the offset that is meant",
        )
    return None


def _offset(moment: datetime, zone: tzinfo, fold: int) -> str:
    offset = moment.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta(0)
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
