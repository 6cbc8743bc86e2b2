"""What the audit's form asks for: as it was typed, as a search, and what of it cannot be read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from mentalspace.practice.audit_search import Search

_LONGEST = 80
_WORD = re.compile(rf"[A-Za-z0-9 _.:@-]{{0,{_LONGEST}}}")
_ENTRY = re.compile(r"[0-9]{1,18}")
_FIRST, _LAST = date(2000, 1, 1), date(2999, 12, 30)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form holds, as it goes back into it. Days are days of `zone`, both included;
    `before` is where the page before ended; `itself` asks for what the system did itself, too."""

    practice: str
    who: str
    what: str
    about: str
    since: str
    until: str
    before: str
    itself: str
    zone: str

    @classmethod
    def read(cls, query: Callable[[str], str], zone: str) -> Asked:
        names = ("practice", "who", "what", "about", "since", "until", "before", "itself")
        said = {name: query(name).strip()[: _LONGEST + 1] for name in names}
        if about := _id(said["about"]):
            said["about"] = str(about)  # as it stands in the audit, however it was typed
        return cls(**said, zone=zone)

    def problems(self) -> list[str]:
        """A sentence for each field that says nothing we could look for. None quotes it: what
        stands there may be a name."""
        id_is = "takes a whole id, as it ends the address of a client’s or a message’s page"
        day_is = "takes a day such as 2026-11-23"
        since, until = _day(self.since), _day(self.until)
        wrong = {
            "“Practice” takes a practice of the list": self.practice and not _id(self.practice),
            "“Who” takes an id, or a word such as “command line”": not _WORD.fullmatch(self.who),
            "“Did what” takes one of the list": not _WORD.fullmatch(self.what),
            f"“About” {id_is}": self.about and not _id(self.about),
            f"“From the day” {day_is}": self.since and not since,
            f"“To the day” {day_is}": self.until and not until,
            "“To the day” lies before “From the day”": since and until and until < since,
            "The link is not whole": self.before and not _ENTRY.fullmatch(self.before),
        }
        return [text for text, is_wrong in wrong.items() if is_wrong]

    def search(self) -> Search:
        """Once there are no problems."""
        since, until = _day(self.since), _day(self.until)
        return Search(
            practice_id=_id(self.practice),
            actor=self.who,
            action=self.what,
            subject=_id(self.about),
            since=self._begin(since) if since else None,
            until=self._begin(until + timedelta(days=1)) if until else None,
            before=int(self.before) if self.before else None,
            by_people=self.leaves_out,
        )

    @property
    def leaves_out(self) -> bool:
        """Whoever asks for one actor is told of that one, whoever it is."""
        return not self.itself and not self.who

    def otherwise(self) -> str:
        """The same with what the system did itself, or without it."""
        return replace(self, itself="" if self.itself else "yes").address()

    def address(self, before: int | None = None) -> str:
        """Everything that was asked for, as a link's query."""
        asked = {
            "practice": self.practice,
            "who": self.who,
            "what": self.what,
            "about": self.about,
            "since": self.since,
            "until": self.until,
            "itself": "yes" if self.itself else "",
            "before": before,
        }
        return urlencode({name: value for name, value in asked.items() if value})

    def _begin(self, day: date) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(self.zone)).astimezone(UTC)


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if _FIRST <= found <= _LAST else None
