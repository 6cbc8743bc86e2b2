"""One span, and the only things that it may say."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from types import MappingProxyType
from uuid import UUID

Value = str | int | bool


class Kind(IntEnum):
    """Numbered as OTLP numbers them."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


@dataclass(frozen=True, slots=True)
class Link:
    """To a span of another trace."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class Span:
    """Ids in hexadecimal digits. `settled_by` is the line of the timeline that made it final, from
    which on it does not change; 0 for what has none."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: Kind
    began_at: datetime
    ended_at: datetime
    attributes: Mapping[str, Value]
    failed: bool = False
    links: tuple[Link, ...] = ()
    settled_by: int = 0

    @property
    def took(self) -> timedelta:
        return self.ended_at - self.began_at


def span_id_of(traceparent: str) -> str:
    return traceparent.split("-")[2]


def is_sampled(traceparent: str) -> bool:
    """Whether whoever began the trace wants it kept; ours are."""
    return bool(int(traceparent.split("-")[3], 16) & 1)


def derived_id(*parts: object) -> str:
    """The same for the same, so that a span sent again is the same span."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:16]


# A name that somebody gave to a thing: no address, no telephone number, no sentence.
_WORD = re.compile(r"(?!\+?[0-9]{7,}$)[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}", re.ASCII)
_ROUTE = re.compile(r"unmatched|/[A-Za-z0-9_./{}:-]{0,199}", re.ASCII)


def _word(value: object) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _route(value: object) -> bool:
    return isinstance(value, str) and _ROUTE.fullmatch(value) is not None


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _id(value: object) -> bool:
    return isinstance(value, UUID)


# What a span may say, and of what type. Names of OpenTelemetry's where it has one.
# source: https://opentelemetry.io/docs/specs/semconv/
ALLOWED: Mapping[str, Callable[[object], bool]] = MappingProxyType(
    {
        "error.type":                      _word,
        "http.request.method":             _word,
        "http.request.resend_count":       _number,
        "http.response.status_code":       _number,
        "http.route":                      _route,
        "messaging.batch.message_count":   _number,
        "messaging.destination.name":      _word,
        "messaging.message.id":            _id,
        "messaging.operation.name":        _word,
        "messaging.operation.type":        _word,
        "messaging.system":                _word,
        "mentalspace.attempt.id":          _id,
        "mentalspace.case":                _word,
        "mentalspace.case.version":        _number,
        "mentalspace.disposition":         _word,
        "mentalspace.drill":               _flag,
        "mentalspace.event":               _word,
        "mentalspace.fault":               _word,
        "mentalspace.message.kind":        _word,
        "mentalspace.message.status":      _word,
        "mentalspace.provider":            _word,
        "mentalspace.provider.code":       _word,
        "mentalspace.provider.request_id": _word,
        "mentalspace.request_id":          _word,
    }
)  # fmt: skip


def attributes(said: Mapping[str, object]) -> Mapping[str, Value]:
    """What of it may be said: a value that is not of its name's type is left out, whatever it is,
    for it may be a provider's. Raises KeyError for a name that is not on the list."""
    found: dict[str, Value] = {}
    for name, value in said.items():
        fits = ALLOWED[name]
        if fits(value):
            found[name] = value if isinstance(value, int) else str(value)
    return MappingProxyType(found)
