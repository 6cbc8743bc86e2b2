"""Which handler answers which method and path."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mentalspace.integrations.email.resend.sandbox import (
    books,
    deliveries,
    domains,
    emails,
    endpoints,
    keys,
    metrics,
    sending,
    suppressions,
    templates,
)
from mentalspace.integrations.email.resend.sandbox.errors import Problem
from mentalspace.integrations.email.resend.sandbox.visit import Handler

UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
PARTS = (
    sending,
    emails,
    metrics,
    domains,
    keys,
    endpoints,
    deliveries,
    suppressions,
    templates,
    books,
)


def find(method: str, path: str) -> tuple[Handler, Mapping[str, str]]:
    """The handler and what the path says. Raises the Problem of a path or method that is none,
    of an id that is left out, and of one that is no UUID."""
    segments = path.strip("/").split("/") if path != "/" else [""]
    for pattern, handlers in _TABLE.items():
        args = _match(pattern, segments)
        if args is None:
            continue
        if method not in handlers:
            raise Problem(405, "method_not_allowed")
        for name, value in args.items():
            if not value:
                raise Problem(422, "missing_required_parameter", f"Missing `{name}` parameter.")
            if name.endswith("_id") and not UUID.fullmatch(value):
                raise Problem(422, "invalid_parameter", f"The `{name}` must be a valid UUID.")
        return handlers[method], args
    raise Problem(404, "not_found")


def _match(pattern: tuple[str, ...], segments: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(segments):
        return None
    args = {}
    for wanted, given in zip(pattern, segments, strict=True):
        if wanted.startswith("{"):
            args[wanted[1:-1]] = given
        elif wanted != given:
            return None
    return args


def _table() -> Mapping[tuple[str, ...], Mapping[str, Handler]]:
    """By pattern, those with fewer blanks first: `/emails/batch` is no mail's id."""
    table: dict[tuple[str, ...], dict[str, Handler]] = {}
    for part in PARTS:
        for method, path, handler in part.ROUTES:
            table.setdefault(tuple(path.strip("/").split("/")), {})[method] = handler
    return dict(sorted(table.items(), key=lambda entry: sum("{" in p for p in entry[0])))


_TABLE = _table()
