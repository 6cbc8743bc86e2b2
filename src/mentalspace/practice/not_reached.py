"""Whom no channel has told of an appointment that is near, and what was tried.

A client is reached once the newest notice or reminder of the appointment, as it stands, is
delivered on any channel, or somebody told them by telephone. Accepted is not delivered: what is
under way counts as waiting for an hour, then as not reached; what is unknown, until it is shown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from mentalspace.engine.db import Connection
from mentalspace.engine.unknown import SHOW_AFTER_S
from mentalspace.practice.audit import note

PATIENCE = timedelta(hours=1)
# Today and the two days after it.
DAYS = 3

# `unsaid`: nothing of it was to be sent yet; one mail told of the whole series, say.
State = Literal["reached", "waiting", "not_reached", "unsaid"]


@dataclass(frozen=True, slots=True)
class Coming:
    """An appointment to come, and whether its client knows."""

    id: UUID
    client_id: UUID
    starts_at: datetime
    clinician_email: str | None
    state: State


@dataclass(frozen=True, slots=True)
class Try:
    """One message of the newest notice, on one channel. `retriable`: it is held, has surely not
    left, and is still of use."""

    delivery_id: UUID
    integration: str
    provider: str
    kind: str
    status: str
    case_id: str | None
    at: datetime
    next_attempt_at: datetime
    retriable: bool


@dataclass(frozen=True, slots=True)
class Unreached:
    """One of a client's appointments they do not know of, with what was tried, newest first."""

    id: UUID
    starts_at: datetime
    clinician_email: str | None
    tries: Sequence[Try]


@dataclass(frozen=True, slots=True)
class Client:
    """A client to be called. `tasks` are the texts of what the runbook asked for; `falls_back` says
    whether they allow a mail in a text's place."""

    id: UUID
    name: str
    email: str | None
    phone: str | None
    language: str
    appointments: Sequence[Unreached]
    tasks: Sequence[str]
    falls_back: bool = True


# $1 practice, $2 now, $3 until, $4 clinician, $5 patience, $6 with an unknown. What one message
# says is in its key: channel/kind/appointment/version[.rewrite/lead]; the same on two channels is
# one notice. A reminder whose time is still to come is none yet.
_TOLD = """
with coming as (
  select a.id, a.client_id, a.starts_at, a.clinician_email, a.version from appointment a
   where a.practice_id = $1 and a.starts_at > $2 and a.starts_at < $3
     and a.status = 'scheduled' and a.drill is null
     and ($4::text is null or a.clinician_email = $4)
), said as (
  select c.id as appointment_id, c.starts_at, d.id, d.integration, d.credential_id, d.kind,
         case when d.unknown_at is null then d.status else 'unknown' end as status, d.unknown_at,
         d.due_at, d.next_attempt_at, d.accepted_at, d.last_case, d.expires_at,
         notice.name, first_value(notice.name) over (
           partition by c.id order by d.due_at desc, d.created_at desc, d.id) as newest
    from coming c join delivery d on d.subject_id = c.id
   cross join lateral (select d.kind || '/'
     || split_part(split_part(d.idempotency_key, '/', 4), '.', 1) || '/'
     || split_part(d.idempotency_key, '/', 5) as name) notice
   where d.status <> 'cancelled'
     and not (d.status = 'pending' and d.kind = 'reminder' and d.due_at > $2)
), latest as (
  select s.*, s.status = 'delivered' as delivered,
         s.status in ('pending', 'due', 'sending', 'unknown', 'accepted')
           and coalesce(s.accepted_at, greatest(s.due_at, s.next_attempt_at)) > $2 - $5::interval
           and s.next_attempt_at < s.starts_at
           and coalesce(s.unknown_at > $2 - $6 * interval '1 s', true) as waiting
    from said s where s.name = s.newest
), known as (
  select c.*, case
      when exists (select from told_by_phone t
                    where t.appointment_id = c.id and t.version = c.version) then 'reached'
      when l.delivered then 'reached'
      when l.waiting then 'waiting'
      when l.appointment_id is not null or k.email is null
        or exists (select from appointment_notifications n
                    where n.appointment_id = c.id and n.delivery_id is null) then 'not_reached'
      else 'unsaid' end as state
    from coming c join client k on k.id = c.client_id
    left join (select appointment_id, bool_or(delivered) as delivered, bool_or(waiting) as waiting
                 from latest group by 1) l on l.appointment_id = c.id
)
"""
_COMING = (
    _TOLD
    + "select id, client_id, starts_at, clinician_email, state from known order by starts_at, id"
)
_COUNT = _TOLD + "select count(distinct client_id) from known where state = 'not_reached'"
_UNREACHED = (
    _TOLD
    + """
select k.id as client_id, k.name, k.email, k.phone, k.language,
       k.text_falls_back and k.email is not null as falls_back,
       n.id, n.starts_at, n.clinician_email,
       (select coalesce(jsonb_agg(jsonb_build_object(
          'delivery_id', l.id, 'integration', l.integration, 'provider', c.provider,
          'kind', l.kind, 'status', l.status, 'case_id', l.last_case,
          'at', coalesce(l.accepted_at, l.due_at), 'next_attempt_at', l.next_attempt_at,
          'retriable', l.status = 'held' and coalesce(l.expires_at > $2, true)
             and not exists (select from attempt_delivery ad join attempt a on a.id = ad.attempt_id
                              where ad.delivery_id = l.id and a.state in ('open', 'unknown'))
          ) order by l.due_at desc), '[]')
          from latest l join credential c on c.id = l.credential_id
         where l.appointment_id = n.id) as tries,
       (select coalesce(array_agg(t.text order by t.created_at), '{}') from task t
         where t.client_id = k.id and t.state = 'open' and t.drill is null) as tasks
  from known n join client k on k.id = n.client_id
 where n.state = 'not_reached' order by n.starts_at, n.id
"""
)
_MARK = (
    _TOLD
    + """
insert into told_by_phone (appointment_id, version, practice_id, told_by)
select id, version, $1, $7 from known
 where client_id = $8 and ($9 or state in ('not_reached', 'waiting'))
on conflict do nothing returning appointment_id
"""
)
_CLOSE = """
update task set state = 'done', done_at = app.now(), done_by = $2
 where state = 'open' and delivery_id in (select id from delivery where subject_id = any ($1))
"""


def last_instant(now: datetime, zone: str, days: int) -> datetime:
    """When so many days, today the first of them, are over on the practice's clock."""
    there = now.astimezone(ZoneInfo(zone)).date() + timedelta(days=days)
    return datetime.combine(there, time(), ZoneInfo(zone)).astimezone(UTC)


async def read_coming(
    connection: Connection, practice_id: UUID, until: datetime, clinician: str | None = None
) -> list[Coming]:
    """Every appointment from now until then, the soonest first."""
    rows = await _fetch(connection, _COMING, practice_id, until, clinician)
    return [Coming(**dict(row)) for row in rows]


async def count_unreached(connection: Connection, practice_id: UUID, until: datetime) -> int:
    """How many clients are to be called."""
    rows = await _fetch(connection, _COUNT, practice_id, until, None)
    return int(rows[0][0])


async def read_unreached(
    connection: Connection, practice_id: UUID, until: datetime, clinician: str | None = None
) -> list[Client]:
    """The clients to be called, whoever comes soonest first."""
    rows = await _fetch(connection, _UNREACHED, practice_id, until, clinician)
    of_client: dict[UUID, list[Any]] = {}
    for row in rows:
        of_client.setdefault(row["client_id"], []).append(row)
    return [_client(found) for found in of_client.values()]


async def mark_told(
    connection: Connection,
    practice_id: UUID,
    client_id: UUID,
    until: datetime,
    user_id: UUID,
    *,
    every: bool = False,
) -> int:
    """Somebody told the client by telephone of what they did not know until then, or of `every`
    appointment; how many that was. What the runbook asked for because of them is done."""
    rows = await _fetch(connection, _MARK, practice_id, until, None, user_id, client_id, every)
    if rows:
        await connection.execute(_CLOSE, [row["appointment_id"] for row in rows], user_id)
        await note(
            connection,
            str(user_id),
            "client.told_by_phone",
            practice_id=practice_id,
            subject=client_id,
        )
    return len(rows)


async def _fetch(
    connection: Connection, sql: str, practice_id: UUID, until: datetime, *values: Any
) -> list[Any]:
    now = await connection.fetchval("select app.now()")
    clinician, *rest = values
    asked = (practice_id, now, until, clinician, PATIENCE, SHOW_AFTER_S)
    return list(await connection.fetch(sql, *asked, *rest))


def _client(rows: Sequence[Any]) -> Client:
    first = rows[0]
    return Client(
        first["client_id"],
        first["name"],
        first["email"],
        first["phone"],
        first["language"],
        [
            Unreached(row["id"], row["starts_at"], row["clinician_email"], _tries(row["tries"]))
            for row in rows
        ],
        first["tasks"],
        first["falls_back"],
    )


def _tries(raw: Any) -> list[Try]:
    found = json.loads(raw) if isinstance(raw, str) else raw
    return [
        Try(
            UUID(one["delivery_id"]),
            one["integration"],
            one["provider"],
            one["kind"],
            one["status"],
            one["case_id"],
            datetime.fromisoformat(one["at"]),
            datetime.fromisoformat(one["next_attempt_at"]),
            one["retriable"],
        )
        for one in found
    ]
