"""A recurrence rule: what of it we read, and the dates it gives on the wall clock."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from math import prod

from dateutil.rrule import rrulestr

from mentalspace.practice.calendar_file.field import Mistakes
from mentalspace.practice.calendar_file.ical_time import DATE, WallTime, parse_local

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
WITHIN_A_DAY = frozenset(FREQUENCIES[4:])
NUMBERS = {
    # part        lowest  highest  counted from the end too
    "COUNT":      (1,     9_999,   False),
    "INTERVAL":   (1,     9_999,   False),
    "BYMONTH":    (1,     12,      False),
    "BYWEEKNO":   (1,     53,      True),
    "BYYEARDAY":  (1,     366,     True),
    "BYMONTHDAY": (1,     31,      True),
    "BYSETPOS":   (1,     366,     True),
    "BYHOUR":     (0,     23,      False),
    "BYMINUTE":   (0,     59,      False),
    "BYSECOND":   (0,     59,      False),
}  # fmt: skip
OF_THE_DAY = ("BYHOUR", "BYMINUTE", "BYSECOND")
ONE = frozenset({"COUNT", "INTERVAL"})
# source: https://www.rfc-editor.org/rfc/rfc5545#section-3.3.10
NOT_WITH = {
    "MONTHLY": ("BYWEEKNO", "BYYEARDAY"),
    "WEEKLY": ("BYWEEKNO", "BYYEARDAY", "BYMONTHDAY"),
    "DAILY": ("BYWEEKNO", "BYYEARDAY"),
}
NUMBER = re.compile(r"[+-]?[0-9]{1,4}")
BYDAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
MAX_TIMES_A_DAY = 24


class _Unreadable(Exception):
    """Its text says what is wrong, and quotes nothing but names of parts."""


class _TooFrequent(Exception):
    """More often than appointments are, or than is computed."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`text` is the rule without its end."""

    text: str
    count: int | None
    until: date | datetime | None

    def is_over(self, local: datetime, instant: datetime) -> bool:
        """Whether a date lies past UNTIL, which is a day, a wall-clock time or an instant."""
        if self.until is None:
            return False
        if not isinstance(self.until, datetime):
            return local.date() > self.until
        return (instant if self.until.tzinfo else local) > self.until


def read_rule(value: str, start: WallTime, mistakes: Mistakes) -> Rule | None:
    try:
        return _read(value.strip().upper().rstrip(";"), start.local)
    except _Unreadable as error:
        mistakes.add(
            "RRULE",
            "bad_rule",
            str(error),
            "write a rule such as FREQ=WEEKLY;BYDAY=TU;UNTIL=20271231T235959Z",
        )
    except _TooFrequent:
        mistakes.add(
            "RRULE",
            "too_frequent",
            "it happens by the hour, the minute or the second under conditions, "
            f"or more than {MAX_TIMES_A_DAY} times a day",
            "write FREQ=DAILY or FREQ=WEEKLY, with BYHOUR for several times a day",
        )
    return None


def dates(rule: Rule, start: datetime, last: datetime) -> Iterator[datetime]:
    """Local times from `start` on, which is always the first; not bound to stop at `last`, but
    to go on to it. Raises NeverHappens if the rule itself gives none at all."""
    return islice(_dates(rule, start, last), rule.count)


class NeverHappens(Exception):
    """The rule's conditions contradict each other, as a 30th of February does."""


def _dates(rule: Rule, start: datetime, last: datetime) -> Iterator[datetime]:
    yield start
    years = _years_ahead(start.year, last.year)
    found = False
    for ahead in rrulestr(rule.text, dtstart=start.replace(year=start.year + years)):
        found = True
        local = ahead.replace(year=ahead.year - years)
        if local != start:
            yield local
    if not found:
        raise NeverHappens


def _years_ahead(first: int, last: int) -> int:
    """How far dates are moved ahead to compute with them.

    The library looks for a date that never comes until the year 9999. The calendar repeats
    every 400 years, and from 1901 to 2099 every 28: so it looks for 28 years at the most.
    """
    years = 8000 - max(0, -((1999 - last) // 28)) * 28
    return years if 1901 <= first <= last <= 2099 and first + years >= 9901 else 0


def _read(value: str, start: datetime) -> Rule:
    parts = _parts(value)
    frequency = parts.get("FREQ", "")
    if frequency not in FREQUENCIES:
        raise _Unreadable("it has no FREQ that we know")
    if "COUNT" in parts and "UNTIL" in parts:
        raise _Unreadable("it has both COUNT and UNTIL")
    wrong = [name for name in NOT_WITH.get(frequency, ()) if name in parts]
    if wrong:
        raise _Unreadable(f"{wrong[0]} has no meaning with FREQ={frequency}")
    if "BYSETPOS" in parts and sum(name.startswith("BY") for name in parts) == 1:
        raise _Unreadable("BYSETPOS has no meaning alone")
    _check_weekdays(parts, frequency)
    if parts.get("WKST", "MO") not in DAYS:
        raise _Unreadable("WKST is no weekday")
    for name in NUMBERS.keys() & parts.keys():
        _check_numbers(name, parts[name])
    _check_frequency(parts, frequency)
    if "BYWEEKNO" in parts and "BYDAY" not in parts:
        parts["BYDAY"] = DAYS[start.weekday()]  # the library would take the whole week
    ends = {name: parts.pop(name, None) for name in ("COUNT", "UNTIL")}
    return Rule(
        ";".join(f"{name}={part}" for name, part in parts.items()),
        int(ends["COUNT"]) if ends["COUNT"] else None,
        _until(ends["UNTIL"]) if ends["UNTIL"] else None,
    )


def _parts(value: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in value.split(";"):
        name, _, text = part.partition("=")
        if name not in NUMBERS and name not in ("FREQ", "UNTIL", "WKST", "BYDAY"):
            raise _Unreadable("it has a part that we do not know")
        if name in parts or not text:
            raise _Unreadable(f"{name} is empty, or there more than once")
        parts[name] = text
    return parts


def _check_weekdays(parts: Mapping[str, str], frequency: str) -> None:
    if "BYDAY" not in parts:
        return
    for value in parts["BYDAY"].split(","):
        found = BYDAY.fullmatch(value)
        if found is None or (found[1] and not 1 <= abs(int(found[1])) <= 53):
            raise _Unreadable("BYDAY has a value that is no weekday")
        if found[1] and (frequency not in ("YEARLY", "MONTHLY") or "BYWEEKNO" in parts):
            raise _Unreadable("BYDAY counts weekdays where there is no month or year to count in")


def _check_numbers(name: str, value: str) -> None:
    lowest, highest, from_end = NUMBERS[name]
    values = value.split(",")
    if name in ONE and len(values) > 1:
        raise _Unreadable(f"{name} has several values")
    for one in values:
        number = int(one) if NUMBER.fullmatch(one) else None
        if number is None or not lowest <= (abs(number) if from_end else number) <= highest:
            raise _Unreadable(f"{name} has a value that is no number, or out of range")


def _check_frequency(parts: Mapping[str, str], frequency: str) -> None:
    """The library may step through seconds for hours, looking for one that meets a condition."""
    if frequency in WITHIN_A_DAY and any(name.startswith("BY") for name in parts):
        raise _TooFrequent
    a_day = prod(len(set(parts[name].split(","))) for name in OF_THE_DAY if name in parts)
    if a_day > MAX_TIMES_A_DAY:
        raise _TooFrequent


def _until(value: str) -> date | datetime:
    local = parse_local(f"{value}T000000" if DATE.fullmatch(value) else value)
    if local is None:
        raise _Unreadable("UNTIL is no date")
    if DATE.fullmatch(value):
        return local.date()
    return local.replace(tzinfo=UTC) if local.tzinfo else local
