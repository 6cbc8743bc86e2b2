"""What is known of a held message or webhook without opening it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection

_MESSAGE = """
select d.id, d.integration, d.kind, c.provider, p.name as practice_name, d.held_reason,
       d.created_at as at, d.status = 'held' and not app.holds_a_key(d.kind) as may_open
  from delivery d join practice p on p.id = d.practice_id
  join credential c on c.id = d.credential_id where d.id = $1
"""
_WEBHOOKS = """
select i.id, i.integration, 'webhook' as kind, i.provider, p.name as practice_name, i.held_reason,
       i.received_at as at, i.state = 'held' as may_open
  from inbox i join practice p on p.id = i.practice_id
"""
MOST_WEBHOOKS = 50


async def find_payload(connection: Connection, what: str, subject: UUID) -> Any | None:
    """None if there is no such message or webhook, or not for this person."""
    sql = _MESSAGE if what == "message" else f"{_WEBHOOKS} where i.id = $1"
    return await connection.fetchrow(sql, subject)


async def read_held_webhooks(connection: Connection) -> list[Any]:
    """Those that could not be applied and wait for a person, the newest first."""
    return list(
        await connection.fetch(
            f"{_WEBHOOKS} where i.state = 'held' and i.drill is null"
            f" order by i.received_at desc limit {MOST_WEBHOOKS}"
        )
    )
