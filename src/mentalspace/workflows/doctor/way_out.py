"""Whether several providers are silent at once: then it is rather our way out than each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from mentalspace.engine.db import Connection
from mentalspace.engine.services import Services
from mentalspace.kernel.integration import Integration
from mentalspace.workflows.doctor.way_test import WayTest, read_targets, try_way
from mentalspace.workflows.impact.together import Silent

# What is no answer at all. A provider that says 503 was reached.
SILENT_KINDS = ("timeout", "reset", "connect")
# One call may have met anything, and so may one provider.
_FEWEST_CALLS = 2
_FEWEST_PROVIDERS = 2
_MINUTES = 10
# A page that refreshes does not try anew each time.
_TRIED_WITHIN_S = 20.0

# Per provider, whoever's credential: the calls nothing came back from since its last good answer.
# A drill breaks one provider on purpose.
_SILENT = f"""
with failing as materialized (
  select a.credential_id, a.started_at, a.finished_at from attempt a
   where a.fault in ('ours', 'theirs') and a.drill is null and a.evidence_kind = any ($1)
     and a.finished_at > app.now() - interval '{_MINUTES} min'
), well as (
  select c.integration, c.provider, max(s.last_good_at) as at
    from credential c join credential_state s on s.credential_id = c.id
   where c.drill is null group by 1, 2
)
select c.integration, c.provider, min(f.started_at) as since,
       array_agg(distinct c.id) as credentials
  from failing f join credential c on c.id = f.credential_id
  join well on well.integration = c.integration and well.provider = c.provider
 where f.finished_at > coalesce(well.at, '-infinity')
 group by 1, 2 having count(*) >= {_FEWEST_CALLS} order by 1, 2
"""


@dataclass(frozen=True, slots=True)
class WayOut:
    """`providers` by their titles: none of them has answered since its first silent call; `since`
    is the first of all, and `silent` the same by names. `tried` is what came of trying the way a
    moment ago."""

    providers: tuple[str, ...]
    silent: Silent
    since: datetime
    tried: WayTest | None = None

    @property
    def words(self) -> str:
        *most, last = self.providers
        return (
            f"{', '.join(most)} and {last} do not answer, all at once: more likely our own way out"
            " than each of them"
        )

    @property
    def advice(self) -> str:
        where = self.tried.advice if self.tried else None
        look = where or "Look at this host's network, DNS, proxy and firewall"
        return f"{look}; what waits is kept and goes on by itself"


async def read_way_out(connection: Connection, rooms: Mapping[str, Integration]) -> WayOut | None:
    """None unless at least two providers are silent. Runs as on-call."""
    rows = await connection.fetch(_SILENT, list(SILENT_KINDS))
    if len(rows) < _FEWEST_PROVIDERS:
        return None
    titles = [rooms[row["integration"]].provider(row["provider"]).title for row in rows]
    since = min(row["since"] for row in rows)
    return WayOut(
        tuple(titles),
        Silent(
            frozenset((row["integration"], row["provider"]) for row in rows),
            {id_: row["integration"] for row in rows for id_ in row["credentials"]},
            since,
        ),
        since,
    )


async def look_at_way_out(services: Services) -> WayOut | None:
    """The same, tried step by step: that takes three seconds at most, while there is one."""
    async with services.database.as_oncall() as connection:
        way_out = await read_way_out(connection, services.rooms)
        if way_out is None:
            return None
        targets = await read_targets(connection, services.rooms)
        now: datetime = await connection.fetchval("select app.now()")

    async def find_out() -> WayTest:
        return await try_way(targets, way_out.providers, now)

    tried = await services.lately_found.find(
        ("way out", way_out.providers), _TRIED_WITHIN_S, find_out
    )
    return replace(way_out, tried=tried)
