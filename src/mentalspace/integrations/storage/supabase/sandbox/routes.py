"""Which handler answers which method and path, and whether it asks for a key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mentalspace.integrations.storage.supabase.sandbox import (
    buckets,
    listing,
    moving,
    objects,
    signing,
)
from mentalspace.integrations.storage.supabase.sandbox.visit import Handler

_PART = re.compile(r"\{(\w+)(:path)?\}")


@dataclass(frozen=True, slots=True)
class Found:
    """`open` needs no key: a link that carries its own, or what everybody may read."""

    handler: Handler
    args: Mapping[str, str]
    open: bool


def find(method: str, path: str) -> Found | None:
    """`path` is decoded already. None for a route that there is not."""
    for wanted, pattern, handler, is_open in _TABLE:
        if wanted == method and (matched := pattern.fullmatch(path)):
            return Found(handler, matched.groupdict(), is_open)
    return None


def _pattern(path: str) -> re.Pattern[str]:
    written, at = "", 0
    for part in _PART.finditer(path):
        written += re.escape(path[at : part.start()])
        written += f"(?P<{part[1]}>{'.+' if part[2] else '[^/]+'})"
        at = part.end()
    return re.compile(written + re.escape(path[at:]), re.DOTALL)


def _rows(
    routes: Iterable[tuple[str, str, Handler]], is_open: bool
) -> Iterable[tuple[str, re.Pattern[str], Handler, bool]]:
    for method, path, handler in routes:
        public = is_open or "/public/" in path
        yield method, _pattern(path), handler, public


# The first that fits: `sign`, `list` and the like are no buckets' names.
_TABLE = (
    *_rows(buckets.ROUTES, False),
    *_rows(listing.ROUTES, False),
    *_rows(moving.ROUTES, False),
    *_rows(signing.OPEN, True),
    *_rows(signing.ROUTES, False),
    *_rows(objects.INFOS, False),
    *_rows(objects.ROUTES, False),
)
