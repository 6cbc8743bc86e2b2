"""Faults on request: which call goes wrong, how, and how often. Chance is seeded."""

from __future__ import annotations

import random
import secrets
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mentalspace.emulator.journal import Journal, Record
from mentalspace.emulator.words import Call

FaultKind = Literal["status", "latency", "hang", "reset", "malformed"]
# before: nothing was accepted; after: it was, and then the answer went wrong
When = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way of going wrong, for the calls it matches.

    `times` counts down to nothing, None is for ever; `share` is the part of the matching calls
    that meet it. `http`, `name`, `message`, `retry_after_s` word a status; the provider fills
    in what is None.
    """

    id: str
    room: str
    provider: str
    kind: FaultKind
    when: When = "before"
    account: str | None = None
    method: str | None = None
    path: str | None = None
    http: int = 503
    name: str | None = None
    message: str | None = None
    retry_after_s: int | None = None
    latency_s: float = 5.0
    times: int | None = None
    share: float = 1.0
    label: str | None = None

    def matches(self, room: str, provider: str, account: str | None, call: Call) -> bool:
        return (
            (self.room, self.provider) == (room, provider)
            and self.account in (None, account)
            and self.method in (None, call.method)
            and (self.path is None or call.path.startswith(self.path))
        )


class Faults:
    """The faults in force. The newest match wins, so that a drill may lay its own on top."""

    def __init__(self, journal: Journal, seed: int) -> None:
        self._journal = journal
        self._seed = seed
        self._faults: dict[str, Fault] = {}
        self._used: dict[str, int] = {}
        self._chance: dict[str, random.Random] = {}
        journal.on("fault", self._apply_added)
        journal.on("fault_used", self._apply_used)
        journal.on("fault_removed", self._apply_removed)

    def add(self, **fields: Any) -> Fault:
        """Put a fault in force; fields are those of Fault, without `id`."""
        fault = Fault(id=f"flt_{secrets.token_hex(6)}", **fields)
        self._journal.emit("fault", fault=asdict(fault))
        return fault

    def remove(self, fault_id: str) -> bool:
        """Lift one fault; False if there is none of that id."""
        if fault_id not in self._faults:
            return False
        self._journal.emit("fault_removed", id=fault_id)
        return True

    def heal(self, room: str | None = None, provider: str | None = None) -> int:
        """Lift all faults, or a room's, or a provider's. Returns how many."""
        doomed = [
            f.id
            for f in self._faults.values()
            if room in (None, f.room) and provider in (None, f.provider)
        ]
        for fault_id in doomed:
            self.remove(fault_id)
        return len(doomed)

    def all(self) -> list[Fault]:
        return list(self._faults.values())

    def left(self, fault: Fault) -> int | None:
        """How many more calls will meet it; None is no end."""
        return None if fault.times is None else fault.times - self._used[fault.id]

    def pick(self, room: str, provider: str, account: str | None, call: Call) -> Fault | None:
        """The fault this call meets, if any; it is thereby used once."""
        for fault in reversed(self._faults.values()):
            if not fault.matches(room, provider, account, call) or self.left(fault) == 0:
                continue
            if fault.share < 1 and self._chance[fault.id].random() >= fault.share:
                continue
            self._journal.emit("fault_used", id=fault.id)
            return fault
        return None

    def _apply_added(self, record: Record) -> None:
        fault = Fault(**record["fault"])
        self._faults[fault.id] = fault
        self._used[fault.id] = 0
        self._chance[fault.id] = random.Random(f"{self._seed}:{len(self._used)}")

    def _apply_used(self, record: Record) -> None:
        if record["id"] in self._used:
            self._used[record["id"]] += 1

    def _apply_removed(self, record: Record) -> None:
        self._faults.pop(record["id"], None)
