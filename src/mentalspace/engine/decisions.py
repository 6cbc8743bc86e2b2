"""What a person decides: a held delivery goes on, is given up, or is known to have arrived;
a paused lane opens again."""

from __future__ import annotations

from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record


async def release(connection: Connection, delivery_id: UUID, actor: str) -> bool:
    """Try again, under the same idempotency key. False if it is not held (any more).

    One of a batch with an unknown outcome keeps its place there: the batch is asked for.
    """
    return await _decide(
        connection,
        delivery_id,
        actor,
        "released",
        "update delivery set status = 'pending', held_reason = null, starts = 0,"
        " next_attempt_at = app.now() where id = $1 and status = 'held'"
        " returning practice_id, drill",
    )


async def release_unsent(connection: Connection, delivery_id: UUID, actor: str) -> bool:
    """Try again what has surely not left and is still of use. False for anything else."""
    return await _decide(
        connection,
        delivery_id,
        actor,
        "released",
        "update delivery d set status = 'pending', held_reason = null, starts = 0,"
        " next_attempt_at = app.now() where id = $1 and status = 'held'"
        " and coalesce(expires_at > app.now(), true)"
        " and not exists (select from attempt_delivery ad join attempt a on a.id = ad.attempt_id"
        " where ad.delivery_id = d.id and a.state in ('open', 'unknown'))"
        " returning practice_id, drill",
    )


async def give_up(connection: Connection, delivery_id: UUID, actor: str) -> bool:
    """Do not send it. False if it is not held (any more)."""
    return await _decide(
        connection,
        delivery_id,
        actor,
        "given_up",
        "update delivery set status = 'cancelled' where id = $1 and status = 'held'"
        " returning practice_id, drill",
    )


async def mark_sent(connection: Connection, delivery_id: UUID, actor: str) -> bool:
    """A person has found it at the provider: the outcome is known after all."""
    return await _decide(
        connection,
        delivery_id,
        actor,
        "marked_sent",
        "update delivery set status = 'accepted', held_reason = null"
        " where id = $1 and status = 'held' returning practice_id, drill",
    )


async def resume_lanes(connection: Connection, credential_id: UUID, actor: str) -> int:
    """Open a credential's paused lanes; how many. If the cause is still there, the first
    refusal pauses them again."""
    rows = await connection.fetch(
        "update lane set state = 'open', paused_at = null, paused_until = null,"
        " paused_case = null, paused_by = null, paused_for_phi = false"
        " where credential_id = $1 and state = 'paused' returning id, practice_id",
        credential_id,
    )
    for row in rows:
        await record(
            connection,
            "lane_resumed",
            practice_id=row["practice_id"],
            lane_id=row["id"],
            data={"because": "a person resumed it"},
            actor=actor,
        )
    return len(rows)


async def _decide(
    connection: Connection, delivery_id: UUID, actor: str, kind: str, sql: str
) -> bool:
    row = await connection.fetchrow(sql, delivery_id)
    if row is None:
        return False
    await record(
        connection,
        kind,
        practice_id=row["practice_id"],
        delivery_id=delivery_id,
        actor=actor,
        drill=row["drill"],
    )
    return True
