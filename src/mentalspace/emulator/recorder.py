"""What was asked of the sandbox and how it answered, without bodies or addresses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from mentalspace.emulator.journal import Journal, Record


@dataclass(frozen=True, slots=True)
class Entry:
    """One request. `http` is None when the answer was lost on purpose."""

    number: int
    at: str
    room: str
    provider: str
    account: str | None
    method: str
    path: str
    idempotency_key: str | None
    http: int | None
    request_id: str
    accepted: tuple[str, ...]
    replayed: bool
    fault: str | None


class Recorder:
    """All requests in the order their answers were decided."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._entries: list[Entry] = []
        journal.on("request", self._apply)

    @property
    def count(self) -> int:
        return len(self._entries)

    def record(self, entry: Entry) -> None:
        self._journal.emit(
            "request", entry={name: getattr(entry, name) for name in Entry.__slots__}
        )

    def entries(
        self,
        *,
        room: str | None = None,
        provider: str | None = None,
        account: str | None = None,
        since: int | datetime | None = None,
    ) -> Iterator[Entry]:
        """Matching entries, oldest first. `since`: a number to go on after, or an instant."""
        after_number = since if isinstance(since, int) else 0
        for entry in self._entries[after_number:]:
            if (
                room in (None, entry.room)
                and provider in (None, entry.provider)
                and account in (None, entry.account)
                and (not isinstance(since, datetime) or datetime.fromisoformat(entry.at) >= since)
            ):
                yield entry

    def _apply(self, record: Record) -> None:
        fields = record["entry"]
        self._entries.append(Entry(**{**fields, "accepted": tuple(fields["accepted"])}))
