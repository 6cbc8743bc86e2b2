"""Whether the indicators counted ordinary messages and nothing of a drill's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mentalspace.engine.rates import MONTH_S, read_rates
from mentalspace.engine.runbook import RoomRunbook
from mentalspace.engine.services import Services

# Counting twice is not counting at once: what is sent between the two is seen at the next try.
TRIES = 5

_ORDINARY = "select id from credential where integration = $1 and drill is null"
_TAKEN = """
select count(*) filter (where d.drill is null) as ordinary,
       count(*) filter (where d.drill is not null) as of_drills
  from delivery d
 where d.integration = $1 and d.status <> 'cancelled'
   and (d.accepted_at is not null or d.status in ('delivered', 'bounced'))
   and coalesce(d.accepted_at, d.ended_at) > app.now() - $2 * interval '1 s'
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """Messages that providers took, over the indicators' longest span: as the indicators count
    them, as the ledger has them without drills, and the drills' own."""

    counted: int = 0
    ordinary: int = 0
    of_drills: int = 0

    def since(self, before: Tally) -> Tally:
        return Tally(
            self.counted - before.counted,
            self.ordinary - before.ordinary,
            self.of_drills - before.of_drills,
        )

    @property
    def kept_apart(self) -> bool:
        return self.counted == self.ordinary

    def public(self) -> dict[str, Any]:
        return {
            "counted": self.counted,
            "ordinary": self.ordinary,
            "of_drills": self.of_drills,
            "kept_apart": self.kept_apart,
        }


async def tally(services: Services) -> dict[str, Tally]:
    """By room."""
    found = {}
    for room in services.runbooks.rooms:
        for _ in range(TRIES):
            found[room.room] = await _tally(services, room)
            if found[room.room].kept_apart:
                break
    return found


async def _tally(services: Services, room: RoomRunbook) -> Tally:
    async with services.database.as_oncall() as connection:
        ids: Sequence[UUID] = [row["id"] for row in await connection.fetch(_ORDINARY, room.room)]
        rates = await read_rates(
            connection, room.overview, room.recipient_cases, ids, [MONTH_S], pooled=True
        )
        row = await connection.fetchrow(_TAKEN, room.room, MONTH_S)
    assert row is not None
    return Tally(rates.counts[None, MONTH_S].accepted, row["ordinary"], row["of_drills"])
