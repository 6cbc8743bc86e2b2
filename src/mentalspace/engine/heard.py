"""When each provider last called back, and what it has taken since without a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.called_back import CalledBack, read_called_back
from mentalspace.engine.db import Connection
from mentalspace.kernel.integration import Integration

# What was taken no longer ago than this may still be spoken of, by a provider not known to be fast.
QUIET_S = 900.0
# Of fewer each may have a reason of its own.
FEWEST = 3
# Nine in ten callbacks have come within their usual time: so many times as long is late.
_LATE = 6.0
_LATE_AFTER_S = 60.0
# What is usual is said by so many callbacks at least, and by the latest of a day.
_KNOWN_BY = 10
_BEHIND = "interval '7 days'"
# Usual is what was so until the last callback: an answer to a question of ours is none. It is asked
# of those alone of whom it decides anything.
_HEARD = f"""
select c.id as credential_id, c.integration, c.provider, c.follows, heard.at, usual.usual_s,
       extract(epoch from app.now() - heard.at)::float8 as quiet_s, n.taken, n.since,
       coalesce(late.number, 0) as late
  from credential c
  left join lateral (
    select i.received_at as at from inbox i where i.credential_id = c.id
     order by i.received_at desc limit 1) heard on c.follows
 cross join lateral (
    select count(*) filter (where d.accepted_at <= app.now() - $2 * interval '1 s') as taken,
           count(*) as unheard, min(d.accepted_at) as since
      from delivery d
     where c.follows and d.credential_id = c.id and d.accepted_at is not null and d.drill is null
       and coalesce(d.accepted_at, d.ended_at)
           > greatest(heard.at, app.now() - {_BEHIND})
       and d.accepted_at <= app.now() - least($2, {_LATE_AFTER_S}) * interval '1 s') n
  left join lateral (
    select percentile_cont(0.9) within group (order by took_s) as usual_s
      from (select greatest(extract(epoch from d.ended_at - d.accepted_at), 0)::float8 as took_s
              from delivery d
             where n.unheard >= {FEWEST} and d.credential_id = c.id and d.status = 'delivered'
               and d.drill is null and d.accepted_at is not null
               and d.ended_at between heard.at - interval '1 day' and heard.at + interval '1 s'
             order by d.ended_at desc limit 100) took
    having count(*) >= {_KNOWN_BY}) usual on true
  left join lateral (
    select count(*) as number from delivery d
     where usual.usual_s is not null and d.credential_id = c.id and d.accepted_at is not null
       and d.drill is null and coalesce(d.accepted_at, d.ended_at) > heard.at
       and d.accepted_at <= app.now()
           - greatest({_LATE} * usual.usual_s, {_LATE_AFTER_S}) * interval '1 s') late on true
 where c.id = any ($1) or $1::uuid[] is null and c.active and c.drill is null
"""


@dataclass(frozen=True, slots=True)
class Heard:
    """`at` is the last callback, None before the first, `quiet_s` ago. `taken` messages were
    accepted since then, a quarter of an hour ago or more, the first of all at `since`; `late` of
    them, or younger ones, longer ago than callbacks take that come within `usual_s`. `called_back`
    is whether what is overdue is late or missing. Who never calls back does not `follow`.
    """

    follows: bool
    at: datetime | None
    taken: int
    since: datetime | None
    late: int = 0
    usual_s: float | None = None
    quiet_s: float | None = None
    called_back: CalledBack | None = None

    @property
    def is_suspicious(self) -> bool:
        """Some messages were taken, their provider tells what becomes of them, and it is silent or
        late."""
        out_of_time = self.called_back is not None and self.called_back.is_out_of_time
        return self.follows and (out_of_time or max(self.taken, self.late) >= FEWEST)

    @property
    def word(self) -> str:
        return self.called_back.word if self.called_back else "No callbacks"

    @property
    def words(self) -> str:
        """That they are late or missing; else `no callback for 6 min; usually within 5 s`. How many
        messages nothing is heard of is engine/taken.py's to tell."""
        if self.called_back is None:
            return self._quiet
        if self.called_back.is_out_of_time:
            return f"{self.word[:1].lower()}{self.word[1:]}"
        said = self.called_back.words
        return f"{self._quiet}. {said[:1].upper()}{said[1:]}"

    @property
    def _quiet(self) -> str:
        if self.quiet_s is None:
            return "no callback yet"
        usually = f"; usually within {max(1.0, self.usual_s):.0f} s" if self.usual_s else ""
        return f"no callback for {self.quiet_s / 60:.0f} min{usually}"

    def public(self) -> dict[str, Any]:
        return {
            "follows": self.follows,
            "at": self.at.isoformat() if self.at else None,
            "taken_since": self.taken,
            "suspicious": self.is_suspicious,
            "called_back": self.called_back.kind if self.called_back else None,
        }


async def read_heard(
    connection: Connection,
    rooms: Mapping[str, Integration],
    credential_ids: Sequence[UUID] | None = None,
) -> Mapping[UUID, Heard]:
    """By credential, of a week; of all that are in use if none are given. Runs as on-call."""
    ids = None if credential_ids is None else list(credential_ids)
    rows = await connection.fetch(_HEARD, ids, QUIET_S)
    called_back = await read_called_back(connection, credential_ids)
    return {
        row["credential_id"]: Heard(
            row["follows"] and rooms[row["integration"]].provider(row["provider"]).calls_back,
            row["at"],
            row["taken"],
            row["since"],
            row["late"],
            row["usual_s"],
            row["quiet_s"],
            called_back.get(row["credential_id"]),
        )
        for row in rows
    }
