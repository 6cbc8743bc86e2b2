"""What the provider accepted, what became of it, and whether anything was accepted twice."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mentalspace.emulator.journal import Journal, Record


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens to an accepted thing at an instant; may be in the future."""

    kind: str
    at: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted:
    """One mail, text, claim … that the provider took. `digest` says what "the same one" means."""

    id: str
    room: str
    provider: str
    account: str
    at: str
    digest: str
    content: dict[str, Any]
    steps: tuple[Step, ...] = ()

    def recipients(self) -> list[str]:
        """Whom the thing is for, as its content names them."""
        to = self.content.get("to") or []
        return [to] if isinstance(to, str) else [str(each) for each in to]

    def so_far(self, now: datetime) -> list[Step]:
        """The steps that have happened."""
        return [step for step in self.steps if datetime.fromisoformat(step.at) <= now]


class Outbox:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._items: dict[str, Accepted] = {}
        journal.on("accepted", self._apply)
        journal.on("planned", self._apply_plan)
        journal.compact(["accepted", "planned"], self._snapshot)

    def add(self, item: Accepted) -> None:
        self._journal.emit("accepted", item=_fields(item))

    def plan(self, item_id: str, steps: Sequence[Step], **changes: Any) -> None:
        """Let other steps become of an accepted thing; `changes` replace parts of its content."""
        self._journal.emit(
            "planned", id=item_id, steps=[_step(step) for step in steps], changes=changes
        )

    def get(self, item_id: str) -> Accepted | None:
        return self._items.get(item_id)

    def items(
        self,
        *,
        room: str | None = None,
        provider: str | None = None,
        account: str | None = None,
        to: str | None = None,
        limit: int | None = None,
    ) -> list[Accepted]:
        """Newest first. `to` is a part of a recipient's address, in whatever case."""
        found: list[Accepted] = []
        for item in reversed(self._items.values()):
            if limit is not None and len(found) >= limit:
                break
            if (
                room in (None, item.room)
                and provider in (None, item.provider)
                and account in (None, item.account)
                and (to is None or to.lower() in " ".join(item.recipients()).lower())
            ):
                found.append(item)
        return found

    def _apply(self, record: Record) -> None:
        fields = record["item"]
        steps = tuple(Step(**step) for step in fields["steps"])
        item = Accepted(**{**fields, "steps": steps})
        self._items[item.id] = item

    def _apply_plan(self, record: Record) -> None:
        item = self._items[record["id"]]
        self._items[item.id] = replace(
            item,
            steps=tuple(Step(**step) for step in record["steps"]),
            content={**item.content, **record["changes"]},
        )

    def _snapshot(self) -> Iterable[Record]:
        for item in self._items.values():
            yield {"kind": "accepted", "item": _fields(item)}


def _fields(item: Accepted) -> Record:
    # By hand: `asdict` copies deeply, and was a quarter of the cost of accepting a mail.
    fields = {name: getattr(item, name) for name in Accepted.__slots__}
    return {**fields, "steps": [_step(step) for step in item.steps]}


def _step(step: Step) -> Record:
    return {"kind": step.kind, "at": step.at, "details": step.details}


def digest_of(parts: Sequence[object]) -> str:
    """A name for content: equal for equal parts, and it gives nothing away."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def accepted_twice(items: Iterable[Accepted]) -> dict[str, list[str]]:
    """Digest → ids of things that were accepted more than once, by content alone."""
    by_digest: dict[str, list[str]] = {}
    for item in items:
        by_digest.setdefault(item.digest, []).append(item.id)
    return {digest: ids for digest, ids in by_digest.items() if len(ids) > 1}


def summarise(items: Iterable[Accepted], replays: Counter[str]) -> dict[str, dict[str, Any]]:
    """Per account: distinct things accepted, requests that repeated a key, things taken twice."""
    by_account: dict[str, list[Accepted]] = {account: [] for account in replays}
    for item in items:
        by_account.setdefault(item.account, []).append(item)
    summary: dict[str, dict[str, Any]] = {}
    for account, mine in by_account.items():
        twice = accepted_twice(mine)
        surplus = sum(len(ids) - 1 for ids in twice.values())
        summary[account] = {
            "accepted": len(mine) - surplus,
            "repeated_requests_one_key": replays[account],
            "accepted_twice": len(twice),
            "twice": sorted(twice.values()),
        }
    return summary
