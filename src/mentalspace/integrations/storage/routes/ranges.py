"""Which stretch of a file a request asks for."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")


class NoSuchRange(Exception):
    """No byte of the file lies in the range."""


def stretch(header: str | None, size: int) -> tuple[int, int] | None:
    """Where the range begins, and the first byte after it; None for the whole file.

    What cannot be read, or names several ranges, is ignored, as HTTP allows. Raises NoSuchRange.
    """
    # source: https://www.rfc-editor.org/rfc/rfc9110#section-14.2
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        start, end = max(size - int(last), 0), size
        if not int(last):
            raise NoSuchRange
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise NoSuchRange
    return start, end
