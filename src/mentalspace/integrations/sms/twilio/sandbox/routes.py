"""Which handler answers which method and path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from mentalspace.integrations.sms.twilio.sandbox import accounts, messages, services, tollfree
from mentalspace.integrations.sms.twilio.sandbox.errors import Problem
from mentalspace.integrations.sms.twilio.sandbox.visit import Handler

PARTS = (messages, accounts, services, tollfree)


def find(method: str, path: str) -> tuple[Handler, Mapping[str, str]]:
    """The handler and what the path says. Raises the Problem of a path or method that is none."""
    known = False
    for wanted, pattern, handler in _TABLE:
        matched = pattern.fullmatch(path)
        if matched is None:
            continue
        known = True
        if wanted == method:
            return handler, {name: unquote(value) for name, value in matched.groupdict().items()}
    raise Problem(20004 if known else 20404, _not_found(path) if not known else None)


def _not_found(path: str) -> str:
    return f"The requested resource {path} was not found"


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    return re.compile(
        "".join(
            f"(?P<{part}>[^/]+?)" if index % 2 else re.escape(part)
            for index, part in enumerate(parts)
        )
    )


_TABLE = [
    (method, _pattern(path), handler) for part in PARTS for method, path, handler in part.ROUTES
]
