"""Lengths of time as people type them."""

from __future__ import annotations

import re
from datetime import timedelta

from mentalspace.kernel.errors import Refused

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_SPAN = re.compile(r"(?:\d{1,6}[dhms])+")
_LONGEST = timedelta(days=3660)


def parse_span(text: str) -> timedelta:
    """`24h`, `90m`, `2d`, `1d12h`. Raises Refused for anything else, and for nothing at all."""
    if not _SPAN.fullmatch(text):
        raise Refused("bad_span", f"{text!r} is no length of time; write 24h, 90m, 2d or 1d12h")
    span = timedelta()
    for number, unit in re.findall(r"(\d+)([dhms])", text):
        span += timedelta(**{_UNITS[unit]: int(number)})
    if not timedelta() < span <= _LONGEST:
        raise Refused("bad_span", "the clock moves forward, by ten years at most at a time")
    return span


def in_words(span: timedelta) -> str:
    """`1 d 12 h`, its units that are not zero."""
    seconds = round(span.total_seconds())
    parts = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        number, seconds = divmod(seconds, length)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts) or "0 s"
