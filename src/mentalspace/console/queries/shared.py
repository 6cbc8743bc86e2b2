"""What the tries that failed by an incident's cause share, beside those that went through; and what
was changed just before the first of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mentalspace.console import words
from mentalspace.console.in_common import Answer, Answers, InCommon, compare
from mentalspace.console.queries.group import Group
from mentalspace.console.queries.lately import HOURS, Change, read_changes
from mentalspace.engine.db import Connection
from mentalspace.engine.house_alert import HOUSE
from mentalspace.engine.person import PERSON
from mentalspace.engine.pulse import LOCKED
from mentalspace.workflows.impact.about import About

# Whoever opens the page waits no longer for this.
_WITHIN_MS = 400
_CREDENTIALS = 50
# So many that failed are looked at, the newest; and so many tries that went before so many of them,
# which lie evenly among them: what is compared is of the same time. Each however many credentials.
_BAD_READ = 300
_TRIES_READ = 1000
_MOMENTS = 20
_BEFORE_READ = 300
_SAID = """
       c.provider, p.name as practice_name, l.class, a.finished_at, a.worker, a.size,
       d.id as message, d.kind, d.person,
       coalesce(d.first_attempt_at < a.started_at, false) as again
"""
_OF_WHAT = f"""
  join credential c on c.id = a.credential_id join practice p on p.id = c.practice_id
  join lane l on l.id = a.lane_id
 cross join lateral (
   select d.id, d.kind, d.first_attempt_at, {PERSON} as person
     from attempt_delivery ad join delivery d on d.id = ad.delivery_id
    where ad.attempt_id = a.id order by ad.place limit 1) d
"""
# Of the credentials $1, from $2 to $3, by the case $4, or by any if it is null. What is ours or
# theirs has an index of its own; of the rest the newest tries are looked through.
_FAILED = f"""
select {_SAID} from (
  select a.* from unnest($1::uuid[]) as one (id) cross join lateral (
    (select * from attempt f
      where f.credential_id = one.id and f.fault in ('ours', 'theirs')
        and f.finished_at between $2 and $3 and (f.case_id = $4 or $4::text is null)
      order by f.finished_at desc limit $5)
    union all
    (select * from (
       select * from attempt o where o.credential_id = one.id and o.finished_at between $2 and $3
        order by o.finished_at desc limit $7) newest
      where newest.fault is null or newest.fault not in ('ours', 'theirs', 'recipient')
         or newest.fault = 'recipient' and newest.case_id = $4)) a
   where a.purpose = 'send' and a.drill is not distinct from $6
     and a.state in ('failed', 'unknown') and (a.case_id = $4 or $4 is null)
     and a.case_id is not null
   order by a.finished_at desc limit $5) a {_OF_WHAT} order by a.finished_at
"""
# The newest tries of each of the credentials $1, not before $2, that had ended by the moments $3.
_GOOD = f"""
select {_SAID} from (
  select distinct a.* from unnest($3::timestamptz[]) as so (far)
   cross join unnest($1::uuid[]) as one (id) cross join lateral (
    select * from attempt t where t.credential_id = one.id and t.finished_at between $2 and so.far
     order by t.finished_at desc limit $4) a
   where a.purpose = 'send' and a.drill is not distinct from $5 and a.state = 'succeeded') a
{_OF_WHAT} order by a.finished_at
"""
# Processes live in real time, incidents on the house's clock.
_STARTED = """
select host, pid, at from (
  select host, pid, app.now() - (clock_timestamp() - started_at) as at from heartbeat
   where kind = 'worker') began
 where at between $1 and $2 order by at desc limit 5
"""


@dataclass(frozen=True, slots=True)
class Shared:
    """`common` is None where it could not be counted in time; `is_cut` if more have failed than are
    counted. `changes` were made there before the first of them failed, at `first_at`, and after
    `since`, two hours before it began."""

    common: InCommon | None
    since: datetime | None = None
    first_at: datetime | None = None
    changes: Sequence[Change] = ()
    is_cut: bool = False


async def read_shared(
    connection: Connection,
    incident: Any,
    group: Group | None,
    about: About,
    title: Callable[[str], str],
) -> Shared | None:
    """Of an incident of tries that fail, as whoever reads may see them; None of any other, and
    where none of its case has failed. `title` names a provider."""
    ids = _credentials(incident, group)
    # What is late has not failed.
    fails = about.lanes and about.kind != "late" and incident["integration"] != HOUSE
    if not ids or not fails:
        return None
    try:
        async with connection.transaction():
            await connection.execute(f"set local statement_timeout = {_WITHIN_MS}")
            found = await _read(connection, incident, ids, title)
            await connection.execute("set local statement_timeout = default")
    except LOCKED:
        return Shared(None)
    return found


async def read_started(connection: Connection, shared: Shared | None) -> list[Any]:
    """Which workers that are heard of began in the same time. Runs as on-call."""
    if shared is None or shared.since is None:
        return []
    return list(await connection.fetch(_STARTED, shared.since, shared.first_at))


def _credentials(incident: Any, group: Group | None) -> list[UUID]:
    known = [m["credential_id"] for m in group.members] if group else [incident["credential_id"]]
    return [one for one in known if one is not None][:_CREDENTIALS]


async def _read(
    connection: Connection, incident: Any, ids: list[UUID], title: Callable[[str], str]
) -> Shared | None:
    began = max(incident["since"], words.turned_at(incident) or incident["since"])
    ends = [incident[name] for name in ("recovered_at", "resolved_at") if incident[name]]
    until = min(ends) if ends else await connection.fetchval("select app.now()")
    drill, each = incident["drill"], max(1, _TRIES_READ // len(ids))
    bad = await connection.fetch(
        _FAILED, ids, began, until, incident["case_id"], _BAD_READ, drill, each
    )
    if not bad:
        return None
    first_at = bad[0]["finished_at"]
    evenly = max(1, len(bad) // _MOMENTS)
    moments = [row["finished_at"] for row in bad[::-1][::evenly]]
    good = await connection.fetch(
        _GOOD, ids, first_at, moments, max(1, each // len(moments)), drill
    )
    day = first_at - timedelta(days=1)
    before = await connection.fetch(
        _GOOD, ids, day, [first_at], max(1, _BEFORE_READ // len(ids)), drill
    )
    common = compare(*(_each_once(rows, title) for rows in (bad, good, before)))
    is_cut = len(bad) == _BAD_READ
    since, to = began - timedelta(hours=HOURS), began if is_cut else first_at
    places = {row["practice_name"] for row in (*bad, *good)}
    changes = await read_changes(connection, since, to, lambda one: _is_there(one, ids, places))
    return Shared(common, since, to, changes, is_cut)


def _each_once(rows: Sequence[Any], title: Callable[[str], str]) -> list[Answers]:
    """A message that fails again and again is one witness, by the first of its tries."""
    first: dict[UUID, Any] = {}
    for row in rows:
        first.setdefault(row["message"], row)
    return [_answers(row, title) for row in first.values()]


def _answers(row: Any, title: Callable[[str], str]) -> Answers:
    named = row["worker"].split(":")
    host, pid = (named[1], named[2]) if len(named) > 2 else (None, None)
    worker = f"worker {pid} on {host}" if pid else f"worker {row['worker']}"
    return {
        "kind": Answer(f"are of the kind “{words.kind(row['kind'])}”"),
        "practice": Answer(f"are of {row['practice_name']}"),
        "provider": Answer(f"went to {title(row['provider'])}"),
        "lane": Answer(f"went in the {row['class']} lane"),
        "worker": Answer(f"were sent by {worker}", row["worker"]),
        "host": Answer(f"were sent from {host}") if host else None,
        "batch": Answer("went in a batch" if row["size"] > 1 else "went alone"),
        # That a first try fails and the next one does not is how every trouble ends.
        "again": Answer("had been tried before") if row["again"] else None,
        "person": Answer("are for one and the same person", row["person"]),
    }


def _is_there(change: Change, ids: Sequence[UUID], places: set[str]) -> bool:
    """A silence, and another's credential, change nothing in what is sent here."""
    if change.credential is not None:
        return change.credential["id"] in ids
    return change.practice in places
