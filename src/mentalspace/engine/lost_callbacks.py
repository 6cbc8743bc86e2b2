"""Some callbacks are lost while others come: what only a question of ours told (engine/overdue.py),
as a share of what was taken meanwhile, and whose loss it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.called_back import FEWEST, MISSING_AFTER_S, began_at
from mentalspace.engine.db import Connection
from mentalspace.engine.overdue import OVERDUE_AFTER_S

# Younger ones may still be called back about in their time, or asked after.
JUDGED_AFTER_S = MISSING_AFTER_S + OVERDUE_AFTER_S
# Its provider was done with it for long, said so when asked, and has not called back since.
_LOST = f"""
  q.answer = 'ended' and q.asked_at > app.now() - ($1::float8 + {JUDGED_AFTER_S}) * interval '1 s'
  and coalesce(q.ended_at, q.asked_at) <= app.now() - {MISSING_AFTER_S} * interval '1 s'
  and (c.drill is not null
    or coalesce(q.ended_at, q.asked_at) > coalesce($2::timestamptz, '-infinity'))
  and not exists (
    select from timeline t where t.delivery_id = q.delivery_id and t.kind = 'provider_event'
       and t.data ->> 'heard' = 'webhook' and t.at >= q.asked_at)
"""
# $1 seconds back from the youngest that is judged, $2 since when a process of ours lives: what was
# to be told before that is heard late by our own fault; a drill's past is made up. Of who has lost
# none nothing is counted. At most five a minute are asked after, so that of thousands an hour the
# share is told too small.
_READ = f"""
select c.id, c.integration, c.provider, c.live, c.drill, lost.*, taken.n, r.code, r.last_at as at,
       exists (select from inbox i where i.credential_id = c.id and i.received_at >= lost.since)
         as others_come
  from credential c
 cross join lateral (
    select count(*) as lost, min(ended_at) as since
      from (select coalesce(q.ended_at, q.asked_at) as ended_at
              from callback_question q join delivery d on d.id = q.delivery_id
             where q.credential_id = c.id and {_LOST}
               and d.accepted_at > app.now() - ($1::float8 + {JUDGED_AFTER_S}) * interval '1 s'
               and d.accepted_at <= app.now() - {JUDGED_AFTER_S} * interval '1 s') one) lost
 cross join lateral (
    select count(*) as n from delivery d
     where lost.lost >= {FEWEST} and d.credential_id = c.id
       and d.accepted_at is not null and d.status <> 'accepted'
       and coalesce(d.accepted_at, d.ended_at)
           > app.now() - ($1::float8 + {JUDGED_AFTER_S}) * interval '1 s'
       and coalesce(d.accepted_at, d.ended_at)
           <= app.now() - {JUDGED_AFTER_S} * interval '1 s') taken
  left join hook_refusal r on r.credential_id = c.id and r.last_at >= lost.since
 where c.id = any ($3) and c.follows
"""
# Of each provider how many lose some, and how many are called back and lose none.
_ALL = f"""
select c.integration, c.provider, c.live, count(*) filter (where lost.loses) as losing,
       count(*) filter (where not lost.loses and exists (
         select from inbox i where i.credential_id = c.id
            and i.received_at > app.now() - $1::float8 * interval '1 s')) as whole
  from credential c
 cross join lateral (
    select count(*) >= {FEWEST} as loses
      from (select from callback_question q where q.credential_id = c.id and {_LOST}
             limit {FEWEST}) few) lost
 where c.active and c.follows and c.drill is null
 group by 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class LostCallbacks:
    """Of `n` messages, taken long enough ago, `lost` are known by our asking alone, the first since
    `since`. `refused` is the code by which our own door refused one meanwhile. Of the provider's
    other credentials so many are `losing` some as well, and so many called back as a `whole`;
    `elsewhere` is whether another provider's are lost too."""

    lost: int
    n: int
    since: datetime | None = None
    others_come: bool = True
    refused: str | None = None
    refused_at: datetime | None = None
    losing: int = 0
    whole: int = 0
    elsewhere: bool = False

    @property
    def share(self) -> float:
        return self.lost / self.n if self.n else 0.0

    @property
    def fault(self) -> str:
        """Of one credential that is its provider's only one it cannot be known."""
        if self.refused is not None or self.elsewhere:
            return "ours"
        return "theirs" if self.losing or self.whole else "unclear"

    @property
    def words(self) -> str:
        """Sentences, the last without its full stop."""
        if self.lost < FEWEST:
            return "as good as none is known by asking alone"
        return (
            f"of {self.n:,} messages {self.lost:,} were never called back about"
            f" ({self.share * 100:.0f}%): what became of them was asked for, and taken as the"
            f" callback would be. {self._whose}"
        )

    @property
    def advice(self) -> str:
        match self.fault:
            case "ours" if self.refused is not None:
                step = "Compare the secrets that sign callbacks with the provider’s"
            case "ours":
                step = "Look at the proxy or tunnel before our door: whether one of several fails"
            case _:
                step = (
                    "Look at the webhook’s failed deliveries at the provider, and at the proxy or"
                    " tunnel before our door; have them replayed"
                )
        return f"{step}. Send nothing again: nobody goes without"

    @property
    def _whose(self) -> str:
        if self.refused is not None:
            return (
                f"Ours, it seems: our own door refused some, the last at"
                f" {self.refused_at:%H:%M:%S} UTC ({self.refused})"
            )
        if self.elsewhere:
            return "Ours, it seems, before our door: another provider’s are lost as well"
        if self.losing:
            count = f"{self.losing:,} other{'s' if self.losing > 1 else ''}"
            return f"Theirs, it seems: {count} of the provider’s credentials lose some as well"
        if self.whole:
            return (
                "This account’s webhook at the provider, it seems: others are called back about all"
            )
        return "Whose it is cannot be told: no other credential of the provider’s shows it"


async def read_lost_callbacks(
    connection: Connection, credential_ids: Sequence[UUID], window_s: float
) -> Mapping[UUID, LostCallbacks]:
    """By credential, of those whose provider calls back. As the dispatcher or on-call."""
    began = await began_at(connection)
    rows = await connection.fetch(_READ, window_s, began, list(credential_ids))
    if not any(row["lost"] >= FEWEST for row in rows):
        return {row["id"]: LostCallbacks(row["lost"], 0) for row in rows}
    every = await connection.fetch(_ALL, window_s, began)
    return {row["id"]: _lost(row, every) for row in rows}


def _lost(row: Any, every: Sequence[Any]) -> LostCallbacks:
    own = (row["integration"], row["provider"])
    alike = [one for one in every if one["live"] == row["live"]]
    mine = [one for one in alike if (one["integration"], one["provider"]) == own]
    itself = int(row["drill"] is None)
    return LostCallbacks(
        lost=row["lost"],
        n=row["n"],
        since=row["since"],
        others_come=row["others_come"],
        refused=row["code"],
        refused_at=row["at"],
        losing=max(0, sum(one["losing"] for one in mine) - itself),
        whole=sum(one["whole"] for one in mine),
        elsewhere=row["drill"] is None and any(one["losing"] for one in alike if one not in mine),
    )
