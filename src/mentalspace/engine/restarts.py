"""How workers ended, and one that ends soon after each start: little gets done, and it is never
silent for long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ends import End
from mentalspace.engine.ledger import record

_KEPT_DAYS = 7
_KEEP = """
insert into process_end (kind, host, pid, ended_at, lived_s, status, said)
values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing
"""
_FORGET = (
    f"delete from process_end where ended_at < clock_timestamp() - interval '{_KEPT_DAYS} days'"
)
# A worker that ended so often within so long will again; an update ends each once.
FEWEST_RESTARTS = 3
RESTARTS_WITHIN_S = 300.0
# No shorter life is taken for one that lasts.
_LIVES_AFTER_S = 60.0
# Longer than its heart may skip.
ENDED_AFTER_S = 10.0
# Ends that a supervisor noted, and those that a heart tells of that beats no more: in real time,
# and on the house's clock. One that both tell of is one.
_ENDS = """
with noted as materialized (
  select host, pid, ended_at, status, said, lived_s from process_end
   where kind = 'worker' and lived_s < $1 and ended_at > clock_timestamp() - interval '1 day'
), ends as (
  select host, pid, ended_at, status, said, lived_s from noted
  union all
  select h.host, h.pid, h.beat_at, null, null, extract(epoch from h.beat_at - h.started_at)
    from heartbeat h
   where h.kind = 'worker' and h.beat_at < clock_timestamp() - $2 * interval '1 s'
     and h.beat_at - h.started_at < $1 * interval '1 s'
     and not exists (select from noted n where n.host = h.host and n.pid = h.pid
           and h.beat_at between n.ended_at - interval '15 s' and n.ended_at + interval '5 s')
)
select host, pid, ended_at, status, said, lived_s::float8 as lived_s,
       app.now() - (clock_timestamp() - ended_at) as at,
       extract(epoch from clock_timestamp() - ended_at)::float8 as ago_s
  from ends order by ended_at desc limit 2000
"""


@dataclass(frozen=True, slots=True)
class Restarts:
    """So many workers of one host began and ended since `since`, one soon after the other, and so
    many `lately`; `last` is how the last of them did that a supervisor noted."""

    host: str
    ended: int
    lately: int
    since: datetime
    last: End | None

    @property
    def words(self) -> str:
        """`killed by signal 9, …`; empty where nobody noted how."""
        return self.last.words if self.last else ""


async def keep_ends(connection: Connection, ends: Iterable[End]) -> None:
    """Each once, however often it is given."""
    for one in ends:
        await connection.execute(
            _KEEP, one.kind, one.host, one.pid, one.ended_at, one.lived_s, one.status, one.said
        )
    await connection.execute(_FORGET)


async def read_restarts(connection: Connection) -> Mapping[str, Restarts]:
    """By host, where the worker starts again and again."""
    ends: dict[str, list[Any]] = {}
    for row in await connection.fetch(_ENDS, RESTARTS_WITHIN_S, ENDED_AFTER_S):
        ends.setdefault(row["host"], []).append(row)
    return {
        host: _restarts(host, rows)
        for host, rows in ends.items()
        if _lately(rows) >= FEWEST_RESTARTS and not _is_over(rows)
    }


def _lately(rows: Sequence[Any]) -> int:
    return sum(row["ago_s"] < RESTARTS_WITHIN_S for row in rows)


def _is_over(rows: Sequence[Any]) -> bool:
    """The one that runs now has lived for so long as none did lately, twice over."""
    ago_s = [row["ago_s"] for row in rows if row["ago_s"] < RESTARTS_WITHIN_S]
    longest = max(before - after for after, before in pairwise(ago_s))
    return bool(ago_s[0] > max(_LIVES_AFTER_S, 2 * longest))


def _restarts(host: str, rows: Sequence[Any]) -> Restarts:
    """Back to the first that no other one ended soon before; the latest comes first."""
    chain = [rows[0]]
    for row in rows[1:]:
        if row["ago_s"] - chain[-1]["ago_s"] > RESTARTS_WITHIN_S:
            break
        chain.append(row)
    told = next((row for row in chain if row["status"] is not None), None)
    last = None
    if told is not None:
        last = End(
            "worker", host, told["pid"], told["ended_at"], told["lived_s"], told["status"],
            told["said"],
        )  # fmt: skip
    return Restarts(host, len(chain), _lately(rows), chain[-1]["at"], last)


# What a loop of the worker does not do meanwhile follows from that, and is no trouble of its own.
_FOLD = """
update incident i set lead_id = l.id, next_escalation_at = null
  from incident l
 where l.id = (select id from incident where rule_id = 'house.restarts' and status <> 'resolved'
                  and recovered_at is null and drill is null order by opened_at limit 1)
   and i.rule_id = 'house.loop_silent' and i.status <> 'resolved' and i.lead_id is null
   and i.drill is null and i.key <> all ($1)
returning i.id
"""
_UNFOLD = """
update incident i set lead_id = null,
       next_escalation_at = case when i.status = 'open' then app.now() end
  from incident l
 where l.id = i.lead_id and l.rule_id = 'house.restarts'
   and i.rule_id = 'house.loop_silent' and i.status <> 'resolved' and i.recovered_at is null
returning i.id
"""


async def fold_silent(connection: Connection, but: Sequence[str]) -> None:
    """Let incidents of silent loops be led by that of a worker that starts again and again; not
    those with a key of `but`."""
    for row in await connection.fetch(_FOLD, list(but)):
        await _tell(connection, row["id"], "follows")


async def unfold_silent(connection: Connection) -> None:
    """It starts again and again no more: what is silent still is a trouble of its own."""
    for row in await connection.fetch(_UNFOLD):
        await _tell(connection, row["id"], "stands_alone")


async def _tell(connection: Connection, incident_id: UUID, kind: str) -> None:
    await record(connection, kind, incident_id=incident_id, actor="watchman")
