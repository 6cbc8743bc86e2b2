"""When a sender is free for its next message: it sends so many segments a second."""

from __future__ import annotations

from datetime import datetime, timedelta

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.journal import Record
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.rate import RateWindows
from mentalspace.integrations.sms.twilio.sandbox.words import PROVIDER, ROOM


class Pace:
    """Read off the journal, so a queue outlives a crash."""

    def __init__(self, kit: Kit) -> None:
        self._free: dict[tuple[str, str], datetime] = {}
        self._windows = RateWindows()
        kit.journal.on("accepted", self._count)

    def leaves_at(self, account: Account, sender: str, now: datetime) -> datetime:
        """When a message that is taken now is on its way."""
        return max(now, self._free.get((account.id, sender), now))

    def fits(self, account: Account, sender: str, segments: int, per_s: float) -> bool:
        """Whether so many segments fit into this second, where what does not is refused."""
        name = f"{account.id} {sender}"
        return all(
            self._windows.take(name, max(1, int(per_s)), account.consumed_per_s).allowed
            for _segment in range(segments)
        )

    def _count(self, record: Record) -> None:
        item = record["item"]
        if (item["room"], item["provider"]) != (ROOM, PROVIDER):
            return
        content = item["content"]
        if content.get("free_at"):
            where = (item["account"], content["from"])
            free_at = datetime.fromisoformat(content["free_at"])
            self._free[where] = max(free_at, self._free.get(where, free_at))


def free_after(leaves_at: datetime, segments: int, per_s: float) -> datetime:
    return leaves_at + timedelta(seconds=segments / max(per_s, 0.01))
