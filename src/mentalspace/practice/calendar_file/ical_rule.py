"""When the clocks of a VTIMEZONE change: the yearly rules that programs write, and no others."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from mentalspace.practice.calendar_file.ical_property import parse_line

# A year more on either side than an appointment may have.
YEARS = range(1989, 2102)
MAX_LINES = 500
MAX_ONSETS = 5_000
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
RULE_PARTS = frozenset({"FREQ", "INTERVAL", "BYMONTH", "BYDAY", "BYMONTHDAY", "UNTIL", "WKST"})

LOCAL = re.compile(r"[0-9]{8}T[0-9]{6}", re.IGNORECASE)
UNTIL = re.compile(r"([0-9]{8})(T[0-9]{6}Z?)?")
OFFSET = re.compile(r"([+-])([01][0-9]|2[0-3])([0-5][0-9])([0-5][0-9])?")
NUMBER = re.compile(r"-?[0-9]{1,2}")
BYDAY = re.compile(r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)")


class NotAZone(Exception):
    """The definition is broken, or uses what we do not compute with."""


@dataclass(frozen=True, slots=True)
class Onset:
    """The clock, showing `local` under the offset `before`, changes to the offset `after`."""

    local: datetime
    before: timedelta
    after: timedelta


def read_onsets(lines: tuple[str, ...]) -> list[Onset]:
    """Every change, at least one. Raises NotAZone."""
    if len(lines) > MAX_LINES:
        raise NotAZone
    onsets: list[Onset] = []
    for observance in _observances(lines):
        onsets += _onsets(observance)
        if len(onsets) > MAX_ONSETS:
            raise NotAZone
    if not onsets:
        raise NotAZone
    return onsets


def _observances(lines: tuple[str, ...]) -> Iterator[dict[str, list[str]]]:
    """The properties of each STANDARD and DAYLIGHT, by name."""
    current: dict[str, list[str]] | None = None
    for line in lines:
        upper = line.upper()
        if upper in ("BEGIN:STANDARD", "BEGIN:DAYLIGHT"):
            current = {}
        elif upper in ("END:STANDARD", "END:DAYLIGHT") and current is not None:
            yield current
            current = None
        elif current is not None and upper.startswith(("DTSTART", "TZOFFSET", "RRULE", "RDATE")):
            parsed = parse_line(line)
            if parsed is None:
                raise NotAZone
            name = re.split("[;:]", upper, maxsplit=1)[0].strip()
            current.setdefault(name, []).append(parsed.value.strip().upper())


def _onsets(observance: Mapping[str, list[str]]) -> Iterator[Onset]:
    start = _local(_one(observance, "DTSTART"))
    before = _offset(_one(observance, "TZOFFSETFROM"))
    after = _offset(_one(observance, "TZOFFSETTO"))
    yield Onset(start, before, after)
    for dates in observance.get("RDATE", []):
        for value in dates.split(","):
            yield Onset(_local(value), before, after)
    for rule in observance.get("RRULE", []):
        for day in _days(rule, start.date()):
            if day > start.date():
                yield Onset(datetime.combine(day, start.time()), before, after)


def _days(rule: str, start: date) -> Iterator[date]:
    parts = dict(part.partition("=")[::2] for part in rule.split(";") if part)
    known = RULE_PARTS.issuperset(parts) and parts.get("FREQ") == "YEARLY"
    if not known or parts.get("INTERVAL", "1") != "1":
        raise NotAZone
    if "BYDAY" in parts and "BYMONTH" not in parts:
        raise NotAZone  # then it would count weekdays over the whole year
    months = _numbers(parts.get("BYMONTH", str(start.month)), 12)
    month_days = _numbers(parts["BYMONTHDAY"], 31) if "BYMONTHDAY" in parts else None
    weekdays = _weekdays(parts["BYDAY"]) if "BYDAY" in parts else None
    if month_days is None and weekdays is None:
        month_days = {start.day}
    until = _until(parts["UNTIL"]) if "UNTIL" in parts else date.max
    for year in YEARS:
        for month in sorted(months):
            length = monthrange(year, month)[1]
            for day in range(1, length + 1):
                one = date(year, month, day)
                by_day = month_days is None or not month_days.isdisjoint((day, day - length - 1))
                if (
                    by_day
                    and one <= until
                    and (weekdays is None or _falls_on(one, length, weekdays))
                ):
                    yield one


def _falls_on(one: date, length: int, weekdays: set[tuple[int, int]]) -> bool:
    """Whether the day is, say, the first Sunday, the last one, or any."""
    from_start = (one.day - 1) // 7 + 1
    from_end = -((length - one.day) // 7 + 1)
    weekday = one.weekday()
    return not weekdays.isdisjoint(((0, weekday), (from_start, weekday), (from_end, weekday)))


def _weekdays(value: str) -> set[tuple[int, int]]:
    days: set[tuple[int, int]] = set()
    for part in value.split(","):
        found = BYDAY.fullmatch(part)
        if found is None:
            raise NotAZone
        days.add((int(found[1] or 0), WEEKDAYS.index(found[2])))
    return days


def _numbers(value: str, highest: int) -> set[int]:
    parts = value.split(",")
    if not all(NUMBER.fullmatch(part) and 1 <= abs(int(part)) <= highest for part in parts):
        raise NotAZone
    numbers = {int(part) for part in parts}
    if highest == 12 and min(numbers) < 1:
        raise NotAZone
    return numbers


def _until(value: str) -> date:
    found = UNTIL.fullmatch(value)
    if found is None:
        raise NotAZone
    last = _parse(found[1], "%Y%m%d").date()
    # It counts in UTC, which may be a day behind; the changes are months apart.
    return min(last, date(9998, 1, 1)) + timedelta(days=1)


def _local(value: str) -> datetime:
    if not LOCAL.fullmatch(value):
        raise NotAZone
    moment = _parse(value, "%Y%m%dT%H%M%S")
    if moment.year > 9998:
        raise NotAZone
    # Some programs begin in year 1, where subtracting an offset overflows.
    return moment.replace(year=max(moment.year, 2))


def _parse(value: str, form: str) -> datetime:
    try:
        return datetime.strptime(value, form)
    except ValueError:
        raise NotAZone from None


def _offset(value: str) -> timedelta:
    found = OFFSET.fullmatch(value)
    if found is None:
        raise NotAZone
    sign, hours, minutes, seconds = found.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds or 0))
    return -offset if sign == "-" else offset


def _one(observance: Mapping[str, list[str]], name: str) -> str:
    values = observance.get(name, [])
    if len(values) != 1:
        raise NotAZone
    return values[0]
