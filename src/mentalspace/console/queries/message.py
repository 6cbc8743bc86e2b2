"""Messages: a filtered list, and one delivery with everything that happened to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mentalspace.engine.cause import CAUSE, sent_into
from mentalspace.engine.db import Connection
from mentalspace.engine.unheard import UNHEARD

PAGE = 50

_COLUMNS = f"""
select d.id, d.integration, d.kind, d.status, d.due_at, d.next_attempt_at, d.created_at,
       d.accepted_at, d.ended_at, d.attempts, d.last_case, {CAUSE} as cause,
       d.held_reason, d.drill,
       p.name as practice_name, c.provider
"""
_FROM = """
  from delivery d join practice p on p.id = d.practice_id
  join credential c on c.id = d.credential_id
"""
# No state of a delivery: what was taken, and never heard of again.
SILENT = "silent"
_WHERE = f"""
 where ($1 in ('', '{SILENT}') or d.status = $1)
   and ($1 <> '{SILENT}' or d.id in (select id from delivery where {UNHEARD}))
   and ($2::text[] is null or d.kind = any ($2)) and ($3 = '' or d.integration = $3)
   and ($7 = '' or d.last_case = $7
     or d.last_case = any ($8) and {sent_into("d.id", "app.now()")} = $7)
   and ($4 or d.drill is null) and ($5::timestamptz is null or d.created_at < $5)
 order by d.created_at desc limit $6
"""
_ONE = f"""
select d.*, {CAUSE} as cause, p.name as practice_name, p.timezone as practice_timezone,
       c.provider, c.endpoint, c.follows,
       l.class as lane_class, l.state as lane_state, l.paused_at, l.paused_until, l.paused_case,
       s.breaker, s.open_until
  from (select id, practice_id, lane_id, credential_id, integration, kind, subject_type,
               subject_id, client_id, status, idempotency_key, due_at, next_attempt_at, expires_at,
               attempts, starts, reconciliations, first_attempt_at, provider_message_id, last_case,
               held_reason, traceparent, drill, created_at, accepted_at, ended_at, ask_at,
               questions
          from delivery where id = $1) d
  join practice p on p.id = d.practice_id join credential c on c.id = d.credential_id
  join lane l on l.id = d.lane_id left join credential_state s on s.credential_id = c.id
"""
_ATTEMPTS = """
select a.id, a.purpose, a.state, a.started_at, a.finished_at, a.duration_ms, a.deadline_s,
       a.evidence_kind, a.http, a.code, a.request_id, a.case_id, a.case_version, a.disposition,
       a.fault, a.worker, a.traceparent, a.size, a.rate_limit, a.rate_remaining
  from attempt a join attempt_delivery ad on ad.attempt_id = a.id
 where ad.delivery_id = $1 order by a.started_at
"""


@dataclass(frozen=True, slots=True)
class Filters:
    """Empty text means any. `before` pages backward through the list."""

    status: str = ""
    kind: str = ""
    integration: str = ""
    case: str = ""
    drills: bool = False


async def read_messages(
    connection: Connection,
    filters: Filters,
    before: Any | None,
    *,
    with_names: bool,
    kinds: Sequence[str] | None = None,
    unknowns: Sequence[str] = (),
) -> list[Any]:
    """Newest first, one more than a page if there are more. Names only where they may be seen.

    `kinds` are what the filter's kind is called alike, None for any;
    `unknowns` are the cases that leave an outcome unknown: the cause may lie before them.
    """
    name = ", k.name as client_name" if with_names else ""
    join = " left join client k on k.id = d.client_id " if with_names else ""
    return list(
        await connection.fetch(
            _COLUMNS + name + _FROM + join + _WHERE,
            filters.status,
            kinds,
            filters.integration,
            filters.drills,
            before,
            PAGE + 1,
            filters.case,
            list(unknowns),
        )
    )


async def read_kinds(connection: Connection) -> list[str]:
    """The kinds of message there have been lately."""
    rows = await connection.fetch(
        "select distinct kind from (select kind from delivery order by created_at desc limit 2000)"
        " latest order by kind"
    )
    return [row["kind"] for row in rows]


async def find_message(connection: Connection, delivery_id: UUID) -> Any | None:
    return await connection.fetchrow(_ONE, delivery_id)


async def read_attempts(connection: Connection, delivery_id: UUID) -> list[Any]:
    return list(await connection.fetch(_ATTEMPTS, delivery_id))


async def read_story(connection: Connection, delivery_id: UUID) -> list[Any]:
    return list(
        await connection.fetch(
            "select at, kind, data, actor from timeline where delivery_id = $1 order by id",
            delivery_id,
        )
    )


async def read_client(connection: Connection, client_id: UUID | None) -> Any | None:
    """For staff of the practice only: on-call has no right to the table."""
    return await connection.fetchrow("select id, name from client where id = $1", client_id)
