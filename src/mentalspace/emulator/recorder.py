"""What was asked of the sandbox and how it answered, without bodies or addresses."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from mentalspace.emulator.journal import Journal, Record

# The newest; what is older is counted and forgotten.
KEPT = 50_000


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
    """The newest requests in the order their answers were decided, and how many there were."""

    def __init__(self, journal: Journal, *, kept: int = KEPT) -> None:
        self._journal = journal
        self._entries: deque[Entry] = deque(maxlen=kept)
        self._replays: Counter[str] = Counter()
        self.count = 0
        journal.on("request", self._apply)
        journal.on("requests_before", self._apply_before)
        journal.compact(["request", "requests_before"], self._snapshot)

    def record(self, entry: Entry) -> None:
        self._journal.emit("request", entry=_fields(entry))

    def replays(self) -> Counter[str]:
        """Per account, the requests that repeated a key; of all there were."""
        return Counter(self._replays)

    def entries(
        self,
        *,
        room: str | None = None,
        provider: str | None = None,
        account: str | None = None,
        since: int | datetime | None = None,
    ) -> Iterator[Entry]:
        """Matching entries, oldest first. `since`: a number to go on after, or an instant."""
        forgotten = self.count - len(self._entries)
        skipped = max(0, since - forgotten) if isinstance(since, int) else 0
        for entry in islice(self._entries, skipped, None):
            if _is_of(entry, room, provider, account) and (
                not isinstance(since, datetime) or datetime.fromisoformat(entry.at) >= since
            ):
                yield entry

    def newest(
        self, limit: int, *, room: str | None = None, account: str | None = None
    ) -> list[Entry]:
        """Newest first."""
        found = (e for e in reversed(self._entries) if _is_of(e, room, None, account))
        return list(islice(found, limit))

    def _apply(self, record: Record) -> None:
        fields = record["entry"]
        entry = Entry(**{**fields, "accepted": tuple(fields["accepted"])})
        self._entries.append(entry)
        self.count += 1
        if entry.account and entry.replayed:
            self._replays[entry.account] += 1

    def _apply_before(self, record: Record) -> None:
        self.count = record["count"]
        self._replays = Counter(record["replays"])

    def _snapshot(self) -> Iterable[Record]:
        kept = Counter(e.account for e in self._entries if e.account and e.replayed)
        yield {
            "kind": "requests_before",
            "count": self.count - len(self._entries),
            "replays": dict(self._replays - kept),
        }
        for entry in self._entries:
            yield {"kind": "request", "entry": _fields(entry)}


def _fields(entry: Entry) -> Record:
    return {name: getattr(entry, name) for name in Entry.__slots__}


def _is_of(entry: Entry, room: str | None, provider: str | None, account: str | None) -> bool:
    return (
        room in (None, entry.room)
        and provider in (None, entry.provider)
        and account in (None, entry.account)
    )
