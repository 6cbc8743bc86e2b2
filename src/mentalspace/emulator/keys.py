"""Idempotency keys: the first answer is kept and given again to whoever repeats the request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from mentalspace.emulator.clock import VirtualClock
from mentalspace.emulator.journal import Journal, Record


@dataclass(frozen=True, slots=True)
class Remembered:
    """The request's fingerprint and the answer it got."""

    fingerprint: str
    http: int
    body: bytes
    at: datetime


class Keys:
    """Kept for `lifetime` on the sandbox's clock, per account."""

    def __init__(
        self, journal: Journal, clock: VirtualClock, lifetime: timedelta = timedelta(hours=24)
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._lifetime = lifetime
        self._keys: dict[tuple[str, str], Remembered] = {}
        journal.on("key", self._apply)
        journal.compact(["key"], self._snapshot)

    def recall(self, account: str, key: str) -> Remembered | None:
        found = self._keys.get((account, key))
        if found is None or self._clock.now() - found.at >= self._lifetime:
            return None
        return found

    def remember(self, account: str, key: str, fingerprint: str, http: int, body: bytes) -> None:
        found = Remembered(fingerprint, http, body, self._clock.now())
        self._journal.emit("key", **_fields(account, key, found))

    def _apply(self, record: Record) -> None:
        self._keys[record["account"], record["key"]] = Remembered(
            record["fingerprint"],
            record["http"],
            record["body"].encode(),
            datetime.fromisoformat(record["at"]),
        )

    def _snapshot(self) -> Iterable[Record]:
        for (account, key), found in self._keys.items():
            if self._clock.now() - found.at < self._lifetime:
                yield {"kind": "key", **_fields(account, key, found)}


def _fields(account: str, key: str, found: Remembered) -> Record:
    return {
        "account": account,
        "key": key,
        "fingerprint": found.fingerprint,
        "http": found.http,
        "body": found.body.decode(),
        "at": found.at.isoformat(),
    }
