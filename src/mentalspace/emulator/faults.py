"""Faults on request: which call or webhook goes wrong, how, and how often. Chance is seeded."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mentalspace.emulator.journal import Journal, Record
from mentalspace.emulator.words import Call

# What a call may meet.
#   status     the provider refuses, in its own words
#   latency    the answer comes `latency_s` late
#   drip       the answer begins at once and its body trickles in over `latency_s`
#   hang       no answer comes; the connection stays open
#   reset      the connection is reset in place of an answer
#   truncate   the headers promise more than comes, and the connection ends
#   malformed  the answer is whole and cannot be read
CallFault = Literal["status", "latency", "drip", "hang", "reset", "truncate", "malformed"]
# What a webhook may meet.
#   hook_duplicate      it comes again `latency_s` later, with the same id
#   hook_reorder        what happened last is told first
#   hook_delay          it comes `latency_s` late
#   hook_drop           it never comes; only asking tells
#   hook_bad_signature  its signature does not hold, at every try
HookFault = Literal[
    "hook_duplicate", "hook_reorder", "hook_delay", "hook_drop", "hook_bad_signature"
]
# What a message meets that was accepted: `name` is the fate, in the provider's own words.
FateFault = Literal["fate"]
FaultKind = Literal[CallFault, HookFault, FateFault]
# before: nothing was accepted; after: it was, and then the answer went wrong
When = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way of going wrong, for the calls or webhooks it matches.

    `times` counts down to nothing, None is for ever; `share` is the part of the matching ones
    that meet it. `http`, `name`, `message`, `retry_after_s` word a status; the provider fills
    in what is None. `method` and `path` choose among calls, `event` among webhooks.
    """

    id: str
    room: str
    provider: str
    kind: FaultKind
    when: When = "before"
    account: str | None = None
    method: str | None = None
    path: str | None = None
    event: str | None = None
    http: int = 503
    name: str | None = None
    message: str | None = None
    retry_after_s: int | None = None
    latency_s: float = 5.0
    times: int | None = None
    share: float = 1.0
    label: str | None = None

    @property
    def is_of_hooks(self) -> bool:
        return self.kind.startswith("hook_")

    def matches(self, room: str, provider: str, account: str | None, call: Call) -> bool:
        return (
            not self.is_of_hooks
            and self.kind != "fate"
            and self._is_of(room, provider, account)
            and self.method in (None, call.method)
            and (self.path is None or call.path.startswith(self.path))
        )

    def matches_hook(self, room: str, provider: str, account: str, event: str) -> bool:
        return (
            self.is_of_hooks
            and self._is_of(room, provider, account)
            and (self.event is None or event.startswith(self.event))
        )

    def matches_fate(self, room: str, provider: str, account: str) -> bool:
        return self.kind == "fate" and self._is_of(room, provider, account)

    def _is_of(self, room: str, provider: str, account: str | None) -> bool:
        return (self.room, self.provider) == (room, provider) and self.account in (None, account)


class Faults:
    """The faults in force. The newest match wins, so that a drill may lay its own on top."""

    def __init__(self, journal: Journal, seed: int) -> None:
        self._journal = journal
        self._seed = seed
        self._laid = 0  # ever, so that each fault has chances of its own
        self._faults: dict[str, Fault] = {}
        self._used: dict[str, int] = {}
        self._chance: dict[str, random.Random] = {}
        journal.on("fault", self._apply_added)
        journal.on("fault_used", self._apply_used)
        journal.on("fault_removed", self._apply_removed)
        journal.compact(["fault", "fault_used", "fault_removed"], self._snapshot)

    def add(self, **fields: Any) -> Fault:
        """Put a fault in force; fields are those of Fault, without `id`."""
        fault = Fault(id=f"flt_{secrets.token_hex(6)}", **fields)
        self._journal.emit("fault", fault=asdict(fault), number=self._laid + 1)
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
        """How many more will meet it; None is no end."""
        return None if fault.times is None else fault.times - self._used[fault.id]

    def pick(
        self, room: str, provider: str, account: str | None, call: Call, *, named: bool = False
    ) -> Fault | None:
        """The fault this call meets, if any; it is thereby used once.

        `named` leaves out those that meet every method.
        """
        for fault in reversed(self._faults.values()):
            if named and fault.method is None:
                continue
            if fault.matches(room, provider, account, call) and self._strikes(fault):
                return fault
        return None

    def pick_hook(
        self, room: str, provider: str, account: str, event: str, *kinds: HookFault
    ) -> Fault | None:
        """The fault of one of these kinds that this webhook meets, if any; used once."""
        for fault in reversed(self._faults.values()):
            if (
                fault.kind in kinds
                and fault.matches_hook(room, provider, account, event)
                and self._strikes(fault)
            ):
                return fault
        return None

    def pick_fate(self, room: str, provider: str, account: str) -> str | None:
        """What an accepted message meets instead of its own fate, if anything; used once."""
        for fault in reversed(self._faults.values()):
            if fault.matches_fate(room, provider, account) and self._strikes(fault):
                return fault.name
        return None

    def _strikes(self, fault: Fault) -> bool:
        if self.left(fault) == 0:
            return False
        if fault.share < 1 and self._chance[fault.id].random() >= fault.share:
            return False
        self._journal.emit("fault_used", id=fault.id)
        return True

    def _apply_added(self, record: Record) -> None:
        fault = Fault(**record["fault"])
        self._laid = record.get("number", self._laid + 1)
        self._faults[fault.id] = fault
        self._used[fault.id] = record.get("used", 0)
        self._chance[fault.id] = random.Random(f"{self._seed}:{self._laid}")

    def _apply_used(self, record: Record) -> None:
        if record["id"] in self._used:
            self._used[record["id"]] += 1

    def _apply_removed(self, record: Record) -> None:
        for register in (self._faults, self._used, self._chance):
            register.pop(record["id"], None)

    def _snapshot(self) -> Iterable[Record]:
        last = self._laid
        for number, fault in enumerate(self._faults.values(), start=last - len(self._faults) + 1):
            yield {
                "kind": "fault",
                "fault": asdict(fault),
                "number": number,
                "used": self._used[fault.id],
            }
