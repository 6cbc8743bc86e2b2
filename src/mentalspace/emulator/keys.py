"""Idempotency keys: the first answer is kept and given again to whoever repeats the request."""

from __future__ import annotations

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

    def recall(self, account: str, key: str) -> Remembered | None:
        found = self._keys.get((account, key))
        if found is None or self._clock.now() - found.at >= self._lifetime:
            return None
        return found

    def remember(self, account: str, key: str, fingerprint: str, http: int, body: bytes) -> None:
        self._journal.emit(
            "key",
            account=account,
            key=key,
            fingerprint=fingerprint,
            http=http,
            body=body.decode(),
            at=self._clock.now().isoformat(),
        )

    def _apply(self, record: Record) -> None:
        self._keys[record["account"], record["key"]] = Remembered(
            record["fingerprint"],
            record["http"],
            record["body"].encode(),
            datetime.fromisoformat(record["at"]),
        )
