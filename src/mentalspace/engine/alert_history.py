"""How rules came to stand where they stand: each change of state, kept for two weeks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from mentalspace.engine.db import Connection, Database
from mentalspace.engine.watch.state import State

KEPT_DAYS = 14

# A rule with a credential.
Pair: TypeAlias = tuple[str, UUID]

# Each pair's changes since then, and the one before, by which it stood as the time began.
_CHANGES = """
select w.rule_id, w.credential_id, c.state, c.at
  from unnest($1::text[], $2::uuid[]) as w (rule_id, credential_id)
 cross join lateral (
   (select state, at from alert_change
     where credential_id = w.credential_id and rule_id = w.rule_id and at <= $3
     order by at desc limit 1)
    union all
   (select state, at from alert_change
     where credential_id = w.credential_id and rule_id = w.rule_id and at > $3
     order by at desc limit $4)) c
 order by w.rule_id, w.credential_id, c.at
"""
_MOST = 500
# What stands for longer than that needs its last change: it is how it stands.
_FORGET = """
delete from alert_change where id in (
  select c.id from alert_change c
   where c.at < app.now() - $1 * interval '1 day'
     and exists (select from alert_change later
                  where later.credential_id = c.credential_id and later.rule_id = c.rule_id
                    and later.at > c.at and later.at < app.now() - $1 * interval '1 day')
   limit 5000)
"""
_FORGET_DRILLS = """
delete from {table} where credential_id in (
  select id from credential where drill is not null and not active)
"""
# And when those were looked at who send no more.
_FORGET_LOOKS = """
update alert_look l set whose = known.whose, looked_at = known.looked_at
  from (select l.rule_id, coalesce(array_agg(u.id order by u.id) filter (where c.active), '{}')
                 as whose,
               coalesce(array_agg(u.at order by u.id) filter (where c.active), '{}') as looked_at
          from alert_look l cross join unnest(l.whose, l.looked_at) as u (id, at)
          left join credential c on c.id = u.id group by 1) known
 where known.rule_id = l.rule_id and known.whose <> l.whose
"""


@dataclass(frozen=True, slots=True)
class Change:
    """From `at` on it stood so."""

    state: State
    at: datetime


async def read_changes(
    connection: Connection, pairs: Sequence[Pair], since: datetime
) -> Mapping[Pair, Sequence[Change]]:
    """Oldest first, beginning with how each stood at `since`. One that was never looked at is left
    out. Runs as whoever asks."""
    rows = await connection.fetch(
        _CHANGES, [rule for rule, _ in pairs], [each for _, each in pairs], since, _MOST
    )
    found: dict[Pair, list[Change]] = {}
    for row in rows:
        changes = found.setdefault((row["rule_id"], row["credential_id"]), [])
        changes.append(Change(State(row["state"]), row["at"]))
    return found


async def forget_changes(database: Database) -> None:
    """What is older than `KEPT_DAYS`, but for how each stood then; and all of drills that are
    over."""
    async with database.as_dispatcher() as connection:
        await connection.execute(_FORGET, KEPT_DAYS)
        for table in ("alert_change", "alert_state"):
            await connection.execute(_FORGET_DRILLS.format(table=table))
        await connection.execute(_FORGET_LOOKS)
