"""How a process's loops fare: what the heartbeat carries, so that a stalled one is seen outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(slots=True)
class Loop:
    """`took_s` and `well_at` are of the last turn that ended well; `failures` came after it. One is
    due `every_s`."""

    every_s: float = 0.0
    took_s: float | None = None
    well_at: datetime | None = None
    failures: int = 0


@dataclass(slots=True)
class Loops:
    """One process's, by name."""

    by_name: dict[str, Loop] = field(default_factory=dict)

    def begins(self, name: str, every_s: float) -> None:
        """Known before its first turn has ended: one that hangs at once is seen as well."""
        self.by_name.setdefault(name, Loop(every_s))

    def went_well(self, name: str, took_s: float) -> None:
        every_s = self.by_name[name].every_s if name in self.by_name else 0.0
        self.by_name[name] = Loop(every_s, took_s, datetime.now(UTC))

    def failed(self, name: str) -> None:
        self.by_name.setdefault(name, Loop()).failures += 1

    def to_json(self) -> dict[str, Any]:
        return {
            name: {
                **({} if loop.took_s is None else {"took_s": round(loop.took_s, 4)}),
                **({} if loop.well_at is None else {"well_at": loop.well_at.isoformat()}),
                "every_s": loop.every_s,
                "failures": loop.failures,
            }
            for name, loop in self.by_name.items()
        }
