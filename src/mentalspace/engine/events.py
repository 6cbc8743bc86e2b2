"""Applies what a provider says of a delivery, whether it told us or we asked."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record
from mentalspace.kernel.delivery import Status, may_move
from mentalspace.kernel.event import Event


async def apply_event(
    connection: Connection,
    practice_id: UUID,
    credential_id: UUID,
    event: Event,
    drill: str | None,
    *,
    heard: Literal["webhook", "asked"] = "webhook",
) -> bool:
    """Move the delivery forward if the event does; False if it names no message of ours yet."""
    row = await connection.fetchrow(
        "select id, status, drill from delivery where credential_id = $1"
        " and provider_message_id = $2 for update",
        credential_id,
        event.provider_message_id,
    )
    if row is None:
        return False
    moved = event.status is not None and may_move(Status(row["status"]), event.status)
    if moved and event.status is not None:
        await connection.execute(
            "update delivery set status = $2 where id = $1", row["id"], event.status.value
        )
    await record(
        connection,
        "provider_event",
        practice_id=practice_id,
        delivery_id=row["id"],
        data={
            "event": event.kind,
            "code": event.code,
            "moved_to": event.status.value if moved and event.status else None,
            "occurred_at": event.occurred_at.isoformat(),
            "heard": heard,
        },
        actor="provider",
        drill=row["drill"] or drill,
    )
    return True
