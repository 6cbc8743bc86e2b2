"""By which way a client wants to be told, as they chose it, and where their telephone rings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.practice.reach import By

_READ = """
select reminders_by, changes_by, text_falls_back as falls_back, text_agreed_at as agreed_at,
       phone is not null as has_phone, phone_kind, phone_problem
  from client where id = $1
"""
_LOCK = _READ + " for update"
_SAVE = """
update client set reminders_by = $2, changes_by = $3, text_falls_back = $4,
                  updated_at = app.now()
 where id = $1
"""


@dataclass(frozen=True, slots=True)
class ChannelChoice:
    """`falls_back` allows a mail in place of a text that does not arrive."""

    reminders_by: By
    changes_by: By
    falls_back: bool

    @property
    def wants_texts(self) -> bool:
        return (self.reminders_by, self.changes_by) != ("email", "email")

    def wants_texts_beyond(self, before: ChannelChoice) -> bool:
        """Whether something goes by text now that did not before."""
        pairs = (
            (before.reminders_by, self.reminders_by),
            (before.changes_by, self.changes_by),
        )
        return any(was == "email" and becomes != "email" for was, becomes in pairs)


@dataclass(frozen=True, slots=True)
class Channels:
    """`agreed_at` is when somebody wrote down that the client agreed to texts. `problem` is a code
    for why their number takes none."""

    choice: ChannelChoice
    agreed_at: datetime | None
    has_phone: bool
    kind: str | None
    problem: str | None


async def read_channels(
    connection: Connection, client_id: UUID, *, lock: bool = False
) -> Channels | None:
    """None if there is no such client."""
    row = await connection.fetchrow(_LOCK if lock else _READ, client_id)
    return None if row is None else _channels(row)


async def save_channels(connection: Connection, client_id: UUID, choice: ChannelChoice) -> None:
    await connection.execute(
        _SAVE, client_id, choice.reminders_by, choice.changes_by, choice.falls_back
    )


def _channels(row: Any) -> Channels:
    return Channels(
        ChannelChoice(row["reminders_by"], row["changes_by"], row["falls_back"]),
        row["agreed_at"],
        row["has_phone"],
        row["phone_kind"],
        row["phone_problem"],
    )
