"""What failed amid an incident by the other side's fault: told apart, for it is not counted in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from mentalspace.engine.cause import LATER
from mentalspace.engine.db import Connection
from mentalspace.engine.person import PERSON
from mentalspace.workflows.doctor.lately import is_part

# By fault, and of all of it (null): since the incident began, and until it was closed.
_FAILED = f"""
select a.fault, mode() within group (order by a.case_id) as case_id,
       count(distinct d.id) as messages, count(distinct {PERSON}) as people,
       count(distinct {PERSON}) filter (
         where d.status not in ('accepted', 'delivered', 'cancelled')) as people_left,
       min(a.started_at) as since, max(a.finished_at) as last_at
  from incident i join attempt a on a.credential_id = i.credential_id
  join attempt_delivery ad on ad.attempt_id = a.id join delivery d on d.id = ad.delivery_id
 where i.id = any ($1) and a.fault in ('ours', 'theirs') and a.drill is not distinct from i.drill
   and a.state in ('failed', 'unknown') and not coalesce({LATER}, false)
   and a.finished_at between i.since and coalesce(i.resolved_at, 'infinity')
 group by grouping sets ((), (a.fault))
"""


@dataclass(frozen=True, slots=True)
class Apart:
    """The part of it that is `whose`, mostly by `case_id`: so many of the `of` messages that failed
    at all. `people_left` of the people it met were not reached so far."""

    whose: Literal["ours", "theirs"]
    case_id: str | None
    messages: int
    of: int
    people: int
    people_left: int
    since: datetime
    last_at: datetime

    @property
    def is_part(self) -> bool:
        """Enough of it to be told as a part of the cause."""
        return is_part(self.messages, self.of)


async def read_apart(
    connection: Connection, incident_ids: Sequence[UUID], fault: str
) -> Apart | None:
    """What is the other side's than the incident's `fault`; None where that names no side, or
    nothing is."""
    other: Literal["ours", "theirs"] = "ours" if fault == "theirs" else "theirs"
    if fault not in ("ours", "theirs"):
        return None
    rows = await connection.fetch(_FAILED, list(incident_ids))
    by = {row["fault"]: row for row in rows}
    if other not in by:
        return None
    row, whole = by[other], by[None]
    return Apart(
        other, row["case_id"], row["messages"], whole["messages"], row["people"],
        row["people_left"], row["since"], row["last_at"],
    )  # fmt: skip
