"""When each provider last called back, and what it has taken since without a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.kernel.integration import Integration

# What was taken no longer ago than this may still be spoken of.
QUIET_S = 900.0
# Of fewer each may have a reason of its own.
FEWEST = 3
_BEHIND = "interval '7 days'"
_HEARD = f"""
select c.id as credential_id, c.integration, c.provider, c.follows, heard.at, n.taken, n.since
  from credential c
  left join lateral (
    select i.received_at as at from inbox i where i.credential_id = c.id
     order by i.received_at desc limit 1) heard on c.follows
 cross join lateral (
    select count(*) as taken, min(d.accepted_at) as since from delivery d
     where c.follows and d.credential_id = c.id and d.accepted_at is not null and d.drill is null
       and coalesce(d.accepted_at, d.ended_at)
           > greatest(heard.at, app.now() - {_BEHIND})
       and d.accepted_at <= app.now() - $2 * interval '1 s') n
 where c.id = any ($1)
"""


@dataclass(frozen=True, slots=True)
class Heard:
    """`at` is the last callback, None before the first. `taken` messages were accepted since then,
    a quarter of an hour ago or more, the first at `since`. Who never calls back does not `follow`.
    """

    follows: bool
    at: datetime | None
    taken: int
    since: datetime | None

    @property
    def is_suspicious(self) -> bool:
        """Some messages were taken, their provider tells what becomes of them, and it is silent."""
        return self.follows and self.taken >= FEWEST

    def public(self) -> dict[str, Any]:
        return {
            "follows": self.follows,
            "at": self.at.isoformat() if self.at else None,
            "taken_since": self.taken,
            "suspicious": self.is_suspicious,
        }


async def read_heard(
    connection: Connection, rooms: Mapping[str, Integration], credential_ids: Sequence[UUID]
) -> Mapping[UUID, Heard]:
    """By credential, of a week. Runs as on-call."""
    rows = await connection.fetch(_HEARD, list(credential_ids), QUIET_S)
    return {
        row["credential_id"]: Heard(
            row["follows"] and rooms[row["integration"]].provider(row["provider"]).calls_back,
            row["at"],
            row["taken"],
            row["since"],
        )
        for row in rows
    }
