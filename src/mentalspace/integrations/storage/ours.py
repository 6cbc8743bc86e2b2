"""Which names on a shelf are ours: what others put beside them is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar
from uuid import UUID

from mentalspace.engine.log import get_logger

T = TypeVar("T")

log = get_logger(__name__)


def as_uuid(name: str) -> UUID | None:
    """None for what is no UUID, or not written as we write them."""
    try:
        found = UUID(name)
    except ValueError:
        return None
    return found if str(found) == name else None


def ours(things: Iterable[T], name_of: Callable[[T], str]) -> Iterator[T]:
    """Those whose names are UUIDs. How many are not is in the log once all are through."""
    strays = 0
    for thing in things:
        if as_uuid(name_of(thing)) is None:
            strays += 1
        else:
            yield thing
    if strays:
        log.info("stray_files_left_alone", count=strays)
