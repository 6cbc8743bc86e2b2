"""The time zones a person may name."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones

# Names in the database that are no place.
_NO_PLACE = frozenset({"Factory", "localtime", "posixrules"})


@cache
def zones() -> frozenset[str]:
    """Every IANA zone this machine knows. Asked once: the database is some hundred files."""
    return frozenset(available_timezones() - _NO_PLACE)
