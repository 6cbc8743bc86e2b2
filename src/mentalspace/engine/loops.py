"""How a process's loops fare: what the heartbeat carries, so that a stalled one is seen outside."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mentalspace.engine.standstill import in_words, where

# A turn that takes longer says what it waits for.
LONG_TURN_S = 2.0


@dataclass(slots=True)
class Loop:
    """`took_s` and `well_at` are of the last turn that ended well; `failures` came after it. One is
    due `every_s`. `error` is the last failure of all, at `failed_at`, in words that name nobody;
    `turn_at` is when the turn began that has not ended, and `task` the one that takes it."""

    every_s: float = 0.0
    took_s: float | None = None
    well_at: datetime | None = None
    failures: int = 0
    error: str | None = None
    failed_at: datetime | None = None
    turn_at: datetime | None = None
    task: asyncio.Task[Any] | None = field(default=None, repr=False)


@dataclass(slots=True)
class Loops:
    """One process's, by name."""

    by_name: dict[str, Loop] = field(default_factory=dict)

    def begins(self, name: str, every_s: float) -> None:
        """Known before its first turn has ended: one that hangs at once is seen as well."""
        self.by_name.setdefault(name, Loop(every_s)).task = asyncio.current_task()

    def turns(self, name: str) -> None:
        self.by_name.setdefault(name, Loop()).turn_at = datetime.now(UTC)

    def went_well(self, name: str, took_s: float) -> None:
        loop = self.by_name.setdefault(name, Loop())
        loop.took_s, loop.well_at = took_s, datetime.now(UTC)
        loop.failures, loop.turn_at = 0, None

    def failed(self, name: str, error: BaseException) -> None:
        loop = self.by_name.setdefault(name, Loop())
        loop.failures, loop.turn_at = loop.failures + 1, None
        loop.error, loop.failed_at = in_words(error), datetime.now(UTC)

    def to_json(self) -> dict[str, Any]:
        now = datetime.now(UTC)
        return {name: _told(loop, now) for name, loop in self.by_name.items()}


def _told(loop: Loop, now: datetime) -> dict[str, Any]:
    told: dict[str, Any] = {"every_s": loop.every_s, "failures": loop.failures}
    if loop.took_s is not None:
        told["took_s"] = round(loop.took_s, 4)
    if loop.well_at is not None:
        told["well_at"] = loop.well_at.isoformat()
    if loop.failed_at is not None:
        told |= {"error": loop.error, "failed_at": loop.failed_at.isoformat()}
    if loop.turn_at is not None:
        told["turn_at"] = loop.turn_at.isoformat()
        if (now - loop.turn_at).total_seconds() >= LONG_TURN_S and loop.task is not None:
            told["waits"] = where(loop.task)
    return told
