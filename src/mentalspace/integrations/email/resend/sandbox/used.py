"""How many mails each team has sent, by day and by month."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.journal import Record
from mentalspace.emulator.kit import Kit
from mentalspace.integrations.email.resend.sandbox.mail import recipients_of
from mentalspace.integrations.email.resend.sandbox.words import PROVIDER, ROOM


class Used:
    """Counted as they are accepted, every recipient for one. Days and months are those of UTC."""

    def __init__(self, kit: Kit) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        kit.journal.on("accepted", self._count)

    def on_day(self, team: Account, at: datetime) -> int:
        return self._counts[team.id, at.isoformat()[:10]]

    def in_month(self, team: Account, at: datetime) -> int:
        return self._counts[team.id, at.isoformat()[:7]]

    def _count(self, record: Record) -> None:
        item = record["item"]
        if (item["room"], item["provider"]) == (ROOM, PROVIDER):
            recipients = len(recipients_of(item["content"]))
            for period in (item["at"][:10], item["at"][:7]):
                self._counts[item["account"], period] += recipients
