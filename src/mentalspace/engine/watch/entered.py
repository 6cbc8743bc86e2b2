"""What fails since a new secret and never went well with it is ours, whatever it was answered,
unless the provider fails others as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import AlertKind, AlertRule
from mentalspace.engine.watch.look import Look

FIRST = (
    "look at what was entered just before this began, its address as well as its secret; nothing"
    " has gone well with it"
)
# What these see failed in tries; a share may be of what came back, unless it names their case.
_OF_TRIES = (AlertKind.CONSECUTIVE, AlertKind.CASE, AlertKind.BURN, AlertKind.BREAKER)
# What fails from so soon after a new secret on failed by what was entered, more likely than not:
# its address is entered with it.
_BLAMED = "interval '10 min'"
# Whoever else uses the provider in the same minutes is asked by their last few tries there. Who was
# given a new secret as well, and had nothing go well with it, is no witness.
_LATEST = 10

# Of the credentials $1 those that a new secret may have broken.
_SUSPECT = f"""
with suspect as (
  select c.id, c.integration, c.provider, c.live, c.drill, c.rotated_at, failed.since
    from credential c
    left join lateral (
      select a.finished_at from attempt a where a.credential_id = c.id and a.state = 'succeeded'
       order by a.finished_at desc limit 1) good on true
   cross join lateral (
      select min(a.started_at) as since from attempt a
       where a.credential_id = c.id and a.fault in ('ours', 'theirs')
         and a.finished_at > coalesce(good.finished_at, '-infinity')) failed
   where c.id = any ($1) and c.rotated_at is not null
     and coalesce(good.finished_at < c.rotated_at, true)
     and failed.since between c.rotated_at - interval '5 s' and c.rotated_at + {_BLAMED}
)
"""
# And how many others of the provider are failed by it, or answered, in the same minutes.
_ENTERED = f"""{_SUSPECT}
select s.id, s.rotated_at as entered_at, elsewhere.*
  from suspect s cross join lateral (
    select count(*) filter (where bad > good) as ill,
           count(*) filter (where good > 0 and good >= bad) as well
      from credential o cross join lateral (
        select count(*) filter (where t.fault = 'theirs') as bad,
               count(*) filter (where t.state = 'succeeded') as good
          from (select a.fault, a.state from attempt a
                 where a.credential_id = o.id and a.state <> 'open'
                   and a.finished_at > s.since - interval '1 min'
                 order by a.finished_at desc limit {_LATEST}) t) tried
     where o.integration = s.integration and o.provider = s.provider and o.live = s.live
       and o.active and o.drill is not distinct from s.drill and o.id <> s.id
       and (o.rotated_at is null or exists (
         select from attempt g where g.credential_id = o.id and g.state = 'succeeded'
            and g.finished_at >= o.rotated_at))) elsewhere
"""


async def blame_entered(
    connection: Connection, rule: AlertRule, looks: Mapping[UUID, Look]
) -> dict[UUID, Look]:
    """The same looks. Of what fires as theirs since a new secret each says that it is ours, since
    when, and whose the tries said (`met`); or that the provider fails others as well. A new key
    that is refused (`rule.keys`) is ours in any case, and says since when."""
    suspected = [
        each
        for each, look in looks.items()
        if look.fires and (_is_theirs(rule, look) or look.case_id in rule.keys)
    ]
    if not suspected:
        return dict(looks)
    rows = await connection.fetch(_ENTERED, suspected)
    return {**looks, **{row["id"]: _judged(looks[row["id"]], row) for row in rows}}


async def entered_anew(connection: Connection, credential_ids: Sequence[UUID]) -> set[UUID]:
    """Those of which all that failed since the last success did so from just after a new secret."""
    rows = await connection.fetch(f"{_SUSPECT} select id from suspect", list(credential_ids))
    return {row["id"] for row in rows}


def _is_theirs(rule: AlertRule, look: Look) -> bool:
    of_tries = rule.kind in _OF_TRIES or (rule.kind is AlertKind.RATE and look.case_id is not None)
    return look.fault == "theirs" and of_tries


def _judged(look: Look, row: Any) -> Look:
    is_theirs = look.fault == "theirs"
    if is_theirs and row["ill"] and row["ill"] >= row["well"]:
        return replace(look, facts={**look.facts, "others_fail": row["ill"]})
    met = {"met": "theirs"} if is_theirs else {}
    facts = {**look.facts, "entered_at": row["entered_at"].isoformat(), **met}
    return replace(look, fault="ours", first_step=FIRST, facts=facts)
