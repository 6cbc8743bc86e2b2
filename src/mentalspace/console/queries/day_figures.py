"""What a card says of its last day against the targets: loud only while it still goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.rates import DAY_S, HOUR_S, Rates, Reading, read_rates
from mentalspace.engine.runbook import Measure, RoomRunbook

# A day remembers an outage until tomorrow. Who has not failed for so long fails no more.
_GOES_ON_MIN = 15
_OF_FAILURES = frozenset({Measure.DELIVERY_RATE, Measure.AVAILABILITY})

# Of credentials with a share off target: failures are no rarity there, the index soon meets one.
_FAILED = f"""
select x.id, x.failed_at, x.failed_at > app.now() - interval '{_GOES_ON_MIN} min' as goes_on
  from (select w.id, greatest(
          (select max(a.finished_at) from attempt a
            where a.credential_id = w.id and a.drill is null and a.fault in ('ours', 'theirs')
              and a.finished_at > app.now() - interval '1 day'),
          (select max(d.ended_at) from delivery d
            where d.credential_id = w.id and d.drill is null and d.status = 'failed'
              and d.accepted_at is not null and d.ended_at > app.now() - interval '1 day'))
          as failed_at
          from unnest($1::uuid[]) as w (id)) x
"""


@dataclass(frozen=True, slots=True)
class DayFigure:
    """One metric over a day. What is `off` target `goes_on` while something failed within a quarter
    of an hour, or, of what is no failure, while the last hour is off target too; a share of
    failures tells the last one."""

    reading: Reading
    goes_on: bool = False
    failed_at: datetime | None = None

    @property
    def off(self) -> bool:
        return self.reading.on_target is False


async def read_day_figures(
    connection: Connection, room: RoomRunbook, ids: Sequence[UUID]
) -> dict[UUID, Sequence[DayFigure]]:
    """Of these credentials of the room, each metric. As on-call."""
    rates = await read_rates(connection, room.overview, room.recipient_cases, ids, [HOUR_S, DAY_S])
    fail = [id_ for id_ in ids if any(_off_by_failures(r) for r in rates.at(id_, DAY_S))]
    rows = await connection.fetch(_FAILED, fail) if fail else []
    failed = {row["id"]: row for row in rows}
    return {id_: _figures(rates, id_, failed.get(id_)) for id_ in ids}


def _off_by_failures(reading: Reading) -> bool:
    return reading.on_target is False and reading.metric.measure in _OF_FAILURES


def _figures(rates: Rates, id_: UUID, failed: Mapping[str, Any] | None) -> list[DayFigure]:
    found = []
    for reading in rates.at(id_, DAY_S):
        if failed is not None and _off_by_failures(reading):
            found.append(DayFigure(reading, bool(failed["goes_on"]), failed["failed_at"]))
        else:
            hour = rates.reading(reading.metric.id, id_, HOUR_S)
            found.append(DayFigure(reading, hour.on_target is False))
    return found
