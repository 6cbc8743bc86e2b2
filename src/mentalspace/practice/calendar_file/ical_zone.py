"""The zones of an iCalendar file: by IANA name, by the file's own definition, by Windows name."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from operator import itemgetter
from zoneinfo import ZoneInfo

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from mentalspace.kernel.zones import zones
from mentalspace.practice.calendar_file.ical_rule import NotAZone, Onset, read_onsets

DAY = timedelta(days=1)


def find_zone(name: str, definitions: Mapping[str, tuple[str, ...]]) -> tzinfo | None:
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


@lru_cache(maxsize=64)
def _defined(lines: tuple[str, ...]) -> tzinfo | None:
    try:
        return FileZone(read_onsets(lines))
    except NotAZone:
        return None


class FileZone(tzinfo):
    """A zone known by the moments its offset changes; `onsets` is not empty."""

    def __init__(self, onsets: list[Onset]) -> None:
        changes = sorted(
            ((onset.local - onset.before, onset.before, onset.after) for onset in onsets),
            key=itemgetter(0),
        )
        self._moments = [moment for moment, _before, _after in changes]
        self._offsets = [changes[0][1], *(after for _moment, _before, after in changes)]

    def utcoffset(self, local: datetime | None) -> timedelta | None:
        """With `fold` as PEP 495 has it, in a fold and in a gap."""
        if local is None:
            return None
        naive = local.replace(tzinfo=None, fold=0)
        before, after = self._offset_at(naive - DAY), self._offset_at(naive + DAY)
        valid = [o for o in (before, after) if self._offset_at(naive - o) == o]
        first, second = (valid[0], valid[-1]) if valid else (before, after)
        return second if local.fold else first

    def fromutc(self, utc: datetime) -> datetime:
        return utc + self._offset_at(utc.replace(tzinfo=None))

    def dst(self, _local: datetime | None) -> timedelta | None:
        return None

    def tzname(self, _local: datetime | None) -> str | None:
        return None

    def _offset_at(self, utc: datetime) -> timedelta:
        return self._offsets[bisect_right(self._moments, utc)]
