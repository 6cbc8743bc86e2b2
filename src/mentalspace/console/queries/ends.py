"""How the worker of a host ended while an incident of it lasted, and what followed from that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mentalspace.engine.db import Connection
from mentalspace.engine.ends import End
from mentalspace.engine.house_alert import HOUSE

SHOWN = 5
_RULE = "house.restarts"
# Ends are in real time, incidents on the house's clock. The first end is where it began.
_ENDS = """
select kind, host, pid, ended_at, lived_s, status, said, at from (
  select *, app.now() - (clock_timestamp() - ended_at) as at from process_end
   where kind = 'worker' and host = $1) ended
 where at between $2::timestamptz - interval '15 s' and coalesce($3::timestamptz, app.now())
 order by at desc limit 1000
"""
_FOLLOWERS = "select id, title from incident where lead_id = $1 order by opened_at"


@dataclass(frozen=True, slots=True)
class Ended:
    """`times` each end on the house's clock beside how, the latest first; `followers` are the
    incidents that are no trouble of their own meanwhile."""

    host: str
    times: Sequence[tuple[datetime, End]]
    followers: Sequence[Any]

    @property
    def last(self) -> End | None:
        return self.times[0][1] if self.times else None


async def read_followers(connection: Connection, incident: Any) -> Sequence[Any]:
    """What of the house stands behind the same lock, as incidents that this one leads."""
    if incident["integration"] != HOUSE or incident["rule_id"] == _RULE:
        return []
    return list(await connection.fetch(_FOLLOWERS, incident["id"]))


async def read_ended(connection: Connection, incident: Any) -> Ended | None:
    """For an incident of a worker that starts again and again; None for any other."""
    if incident["rule_id"] != _RULE:
        return None
    host = incident["key"].removeprefix(f"{_RULE}:")
    until = incident["recovered_at"] or incident["resolved_at"]
    rows = await connection.fetch(_ENDS, host, incident["since"], until)
    names = End.__dataclass_fields__
    return Ended(
        host,
        [(row["at"], End(**{name: row[name] for name in names})) for row in rows],
        await connection.fetch(_FOLLOWERS, incident["id"]),
    )
