"""A chain of records: each carries the hash of the one before it, so that none is changed, taken
out or put between without every later hash telling."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What the first entry of a chain follows.
FIRST = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
    """`hash` is the SHA-256 of seq, kind, previous and body, each on a line of its own.

    `body` is the record's canonical JSON; `seq` counts from 1.
    """

    seq: int
    kind: str
    body: str
    previous: str
    hash: str

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def public(self) -> dict[str, Any]:
        """As a report holds it: the record readable, its canonical form to be made again."""
        return {
            "seq": self.seq,
            "kind": self.kind,
            "previous": self.previous,
            "hash": self.hash,
            "record": self.record,
        }


@dataclass(frozen=True, slots=True)
class Flaw:
    """Where a chain does not hold, and why."""

    seq: int
    text: str


def canonical(record: Mapping[str, Any]) -> str:
    """The one text that stands for a record: keys in order, no spaces, as UTF-8.

    Raises ValueError for a number that JSON has no word for.
    """
    return json.dumps(
        record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def hash_of(seq: int, kind: str, previous: str, body: str) -> str:
    return hashlib.sha256("\n".join((str(seq), kind, previous, body)).encode()).hexdigest()


def from_public(values: Mapping[str, Any]) -> Entry:
    """An entry of a report. Raises LookupError or ValueError for what is none."""
    return Entry(
        seq=int(values["seq"]),
        kind=str(values["kind"]),
        body=canonical(values["record"]),
        previous=str(values["previous"]),
        hash=str(values["hash"]),
    )


def flaws(entries: Sequence[Entry]) -> list[Flaw]:
    """Everything that does not hold, in the chain's order; empty for a whole chain."""
    return list(_flaws(entries))


def _flaws(entries: Sequence[Entry]) -> Iterator[Flaw]:
    before, seq = FIRST, 0
    for entry in entries:
        if entry.seq != seq + 1:
            gone = f"entries {seq + 1} to {entry.seq - 1}" if entry.seq > seq + 2 else "an entry"
            yield Flaw(entry.seq, f"{gone} before it are missing or out of place")
        elif entry.previous != before:
            yield Flaw(entry.seq, "it does not follow the entry before it, which was replaced")
        if entry.hash != hash_of(entry.seq, entry.kind, entry.previous, entry.body):
            yield Flaw(entry.seq, "it was changed after it was written")
        before, seq = entry.hash, entry.seq


def differences(one: Any, other: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two records differ: the path, and what stands there in the one and the other."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted({*one, *other}):
            inner = f"{path}.{key}" if path else str(key)
            yield from differences(one.get(key), other.get(key), inner)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{path}[{number}]")
    elif one != other:
        yield path, one, other
