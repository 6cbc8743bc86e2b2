"""Suppressions: by reason for whoever runs the house, with names for the practice."""

from __future__ import annotations

from typing import Any

from mentalspace.engine.db import Connection

PAGE = 100

_COUNTS = """
select p.name as practice_name, s.integration, s.reason, s.case_id,
       count(*) filter (where s.lifted_at is null) as standing,
       count(*) filter (where s.created_at > app.now() - interval '7 days') as of_week,
       count(*) filter (where s.lifted_at is not null) as lifted, max(s.created_at) as newest_at
  from suppression s join practice p on p.id = s.practice_id
 where s.drill is null and not p.is_drill
 group by p.name, s.integration, s.reason, s.case_id order by p.name, standing desc
"""
_ROWS = """
select s.id, s.integration, s.recipient_key, s.client_id, s.reason, s.case_id, s.created_at,
       s.lifted_at, s.lifted_by, s.delivery_id, s.how, s.actor, d.kind, c.provider,
       k.name as client_name,
       k.email as client_email, k.phone_e164 as client_number
  from suppression s left join client k on k.id = s.client_id
  left join delivery d on d.id = s.delivery_id
  left join credential c on c.id = d.credential_id
 where s.drill is null and (s.lifted_at is not null) = $1
 order by coalesce(s.lifted_at, s.created_at) desc, s.id limit $2 offset $3
"""


async def count_suppressed(connection: Connection) -> list[Any]:
    """How many stand, came this week and were lifted, by practice and reason."""
    return list(await connection.fetch(_COUNTS))


async def read_suppressed(connection: Connection, *, lifted: bool, offset: int = 0) -> list[Any]:
    """The newest first, one more than a page if there are more. For the practice's staff."""
    return list(await connection.fetch(_ROWS, lifted, PAGE + 1, offset))
