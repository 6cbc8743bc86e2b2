"""The words of the kit: a request that came in, and the answer to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read whole. `path` is what follows the emulator's mount; `file` is where the
    body lies, if its emulator has bodies put on disk: it goes after the call unless it is moved."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    at: datetime
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Excerpt:
    """So many bytes of a file, from `start` on."""

    path: Path
    start: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What the provider answers: `body`, or what `file` says. `accepted` names the things this
    very call made it take."""

    http: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()
    replayed: bool = False
    file: Excerpt | None = None

    @property
    def size_bytes(self) -> int:
        return len(self.body) if self.file is None else self.file.size_bytes

    def pieces(self, until: int, each: int) -> Iterator[bytes]:
        """The first `until` bytes, `each` at a time; of a file no more than that is in memory."""
        if self.file is None:
            for start in range(0, until, each):
                yield self.body[start : min(start + each, until)]
            return
        with self.file.path.open("rb") as source:
            source.seek(self.file.start)
            while until and (piece := source.read(min(each, until))):
                until -= len(piece)
                yield piece


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
