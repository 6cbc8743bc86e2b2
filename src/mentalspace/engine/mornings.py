"""When what waits for its hours may leave, by its practice's clock and in UTC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from mentalspace.engine.db import Connection
from mentalspace.engine.hours import Hours, next_opening
from mentalspace.engine.queued import NEAR, RESTS

_READ = f"""
select d.credential_id, p.timezone as zone, d.hours, app.now() as now
  from credential c join practice p on p.id = c.practice_id
  join delivery d on d.credential_id = c.id
 where (c.id = any ($1) or $1::uuid[] is null and c.drill is null)
   and d.drill is not distinct from c.drill and {NEAR} and {RESTS}
 group by 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Morning:
    """The first of what rests may leave from `first` on, the last from `last` on; told in the
    `zone` of the first one's practice."""

    first: datetime
    last: datetime
    zone: str
    now: datetime

    def __add__(self, other: Morning) -> Morning:
        sooner = min(self, other, key=lambda one: one.first)
        return Morning(sooner.first, max(self.last, other.last), sooner.zone, self.now)

    @property
    def words(self) -> str:
        """`from 08:00 in New York (13:00 UTC)`, and when the last of them may leave, if later."""
        first = f"from {hour_at(self.first, self.zone, self.now)}"
        if self.last == self.first:
            return first
        return f"{first}, the last from {hour_at(self.last, self.zone, self.now)}"


def place(zone: str) -> str:
    """A zone as people call it: `New York` of `America/New_York`."""
    return "UTC" if zone in ("UTC", "Etc/UTC") else zone.rpartition("/")[2].replace("_", " ")


def hour_at(moment: datetime, zone: str, now: datetime) -> str:
    """`08:00 in New York (13:00 UTC)`, with the day of the week unless it is today there."""
    local, utc = moment.astimezone(ZoneInfo(zone)), moment.astimezone(ZoneInfo("UTC"))
    day = "" if local.date() == now.astimezone(ZoneInfo(zone)).date() else f"{local:%a} "
    if place(zone) == "UTC":
        return f"{day}{utc:%H:%M} UTC"
    utc_day = "" if utc.date() == local.date() else f"{utc:%a} "
    return f"{day}{local:%H:%M} in {place(zone)} ({utc_day}{utc:%H:%M} UTC)"


async def read_mornings(
    connection: Connection, credential_ids: Sequence[UUID] | None
) -> Mapping[UUID, Morning]:
    """By credential, where anything rests; of all but drills' if none are given. As on-call, or as
    a person, of what they may see."""
    ids = None if credential_ids is None else list(credential_ids)
    found: dict[UUID, Morning] = {}
    for row in await connection.fetch(_READ, ids):
        # Hours that are never open have no morning to tell.
        with suppress(ValueError):
            opens = next_opening(Hours.from_json(row["hours"]), row["now"])
            one = Morning(opens, opens, row["zone"], row["now"])
            known = found.get(row["credential_id"])
            found[row["credential_id"]] = one if known is None else known + one
    return found


def together(mornings: Iterable[Morning | None]) -> Morning | None:
    """Of all of them; None where nothing rests."""
    found = [one for one in mornings if one is not None]
    return sum(found[1:], found[0]) if found else None
