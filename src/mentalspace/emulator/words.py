"""The words of the kit: a request that came in, and the answer to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read whole. `path` is what follows the emulator's mount."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Reply:
    """What the provider answers. `accepted` names the things this very call made it take."""

    http: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()
    replayed: bool = False


def json_reply(
    http: int,
    payload: Any,
    headers: Mapping[str, str] | None = None,
    *,
    accepted: tuple[str, ...] = (),
) -> Reply:
    """A Reply whose body is JSON."""
    typed = {"content-type": "application/json; charset=utf-8", **(headers or {})}
    return Reply(http, json.dumps(payload).encode(), typed, accepted)
