"""A practice's own day: appointments with their mails and texts, clients, tasks, imported files."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection

_TOLD = """
select a.id, a.starts_at, a.duration_min, a.status, a.clinician_email, a.confirmed_at,
       a.cancelled_by, k.id as client_id, k.name as client_name,
       k.email is not null as has_email, k.email as client_email, k.timezone as client_timezone,
       coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'type', n.kind,
         'status', coalesce(d.status, n.status), 'provider', c.provider,
         'integration', n.integration, 'why', n.error_message,
         'lead', n.lead_min, 'due_at', d.due_at)
         order by n.created_at, d.due_at) filter (where n.id is not null), '[]') as mails
  from appointment a join client k on k.id = a.client_id
  left join (
    select id, appointment_id, notification_type as kind, status, error_message, lead_min,
           created_at, delivery_id, 'email' as integration
      from appointment_notifications
    union all
    select id, appointment_id, occasion, status, error_message, lead_min,
           created_at, delivery_id, 'sms'
      from notification_logs where notification_type = 'sms') n on n.appointment_id = a.id
  left join delivery d on d.id = n.delivery_id
  left join credential c on c.id = d.credential_id
 where a.drill is null and {which}
 group by a.id, k.id order by {order} limit {limit}
"""
_DAY = _TOLD.format(
    which="a.starts_at >= $1 and a.starts_at < $2", order="a.starts_at, k.name", limit=500
)
_OF_CLIENT = _TOLD.format(which="a.client_id = $1", order="a.starts_at desc", limit="$2")
_CLIENT = """
select k.id, k.external_id, k.name, k.email, k.phone, k.timezone, k.language,
       k.phone_e164, k.phone_kind, k.phone_problem, k.part2, p.timezone as practice_timezone
  from client k join practice p on p.id = k.practice_id where k.id = $1
"""
_CLIENTS = """
select k.id, k.external_id, k.name, k.email, k.phone, k.timezone, k.language,
       (select min(a.starts_at) from appointment a where a.client_id = k.id
           and a.status = 'scheduled' and a.starts_at > app.now()) as next_at,
       exists (select from access_token t where t.client_id = k.id and t.used_at is not null)
         as in_portal,
       (select max(t.created_at) from access_token t where t.client_id = k.id
           and t.used_at is null and t.voided_at is null and t.expires_at > clock_timestamp())
         as invited_at
  from client k where exists (select from appointment a where a.client_id = k.id
     and a.drill is null)
 order by lower(k.name), k.id limit $1 offset $2
"""
_TASKS = """
select t.id, t.for_role, t.text, t.case_id, t.delivery_id, t.state, t.created_at, t.done_at,
       t.client_id, t.thread_key, k.name as client_name, k.email as client_email,
       (select min(a.starts_at) from appointment a where a.client_id = t.client_id
           and a.status = 'scheduled' and a.starts_at > app.now()) as next_at
  from task t left join client k on k.id = t.client_id
 where t.state = $1 and t.drill is null
 order by t.state = 'done', next_at nulls last, t.created_at limit 200
"""
_FILES = """
select f.id, f.kind, f.rows_new, f.rows_changed, f.rows_unchanged, f.rows_bad, f.imported_by,
       f.created_at,
       (select count(*) from import_row r where r.file_id = f.id and r.state = 'open') as rows_open
  from import_file f order by f.created_at desc limit 30
"""


async def next_start(connection: Connection, after: datetime) -> datetime | None:
    """When the first appointment from then on begins."""
    at: datetime | None = await connection.fetchval(
        "select min(starts_at) from appointment"
        " where starts_at >= $1 and status = 'scheduled' and drill is null",
        after,
    )
    return at


async def read_day(connection: Connection, start: datetime, end: datetime) -> list[Any]:
    """Appointments that begin in the half-open span, with the states of their mails and texts."""
    return list(await connection.fetch(_DAY, start, end))


async def find_client(connection: Connection, client_id: UUID) -> Any | None:
    return await connection.fetchrow(_CLIENT, client_id)


async def read_appointments_of(connection: Connection, client_id: UUID, limit: int) -> list[Any]:
    """The newest first, each with the states of its mails and texts."""
    return list(await connection.fetch(_OF_CLIENT, client_id, limit))


async def read_clients(connection: Connection, limit: int, offset: int) -> list[Any]:
    return list(await connection.fetch(_CLIENTS, limit, offset))


async def read_tasks(connection: Connection, state: str) -> list[Any]:
    """Those whose client comes soonest stand first."""
    return list(await connection.fetch(_TASKS, state))


async def finish_task(connection: Connection, task_id: UUID, user_id: UUID) -> bool:
    """False if there is no such open task."""
    done = await connection.fetchval(
        "update task set state = 'done', done_at = app.now(), done_by = $2"
        " where id = $1 and state = 'open' returning true",
        task_id,
        user_id,
    )
    return bool(done)


async def read_files(connection: Connection) -> list[Any]:
    return list(await connection.fetch(_FILES))


async def read_bad_rows(connection: Connection, row_id: UUID | None = None) -> list[Any]:
    """Rows that wait to be corrected, oldest file first; or the one asked for."""
    return list(
        await connection.fetch(
            "select r.id, r.file_id, r.line, r.mistakes, r.created_at, f.kind from import_row r"
            " join import_file f on f.id = r.file_id where r.state = 'open'"
            " and ($1::uuid is null or r.id = $1) order by r.created_at, r.line limit 100",
            row_id,
        )
    )
