"""A delivery in a worker's hand, and the ways of putting it down without an attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record

# After an error of our own; short, for the start is counted.
LET_GO_S = 2.0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in a worker's hand. `token` fences out whoever held it before; `payload` is
    empty if it could not be opened."""

    id: UUID
    practice_id: UUID
    lane_id: UUID
    credential_id: UUID
    client_id: UUID | None
    subject_id: UUID | None
    integration: str
    idempotency_key: str
    payload: bytes
    bypass_guard: bool
    carries_phi: bool
    attempts: int
    starts: int
    was_unknown: bool
    first_attempt_age_s: float
    expired: bool
    traceparent: str
    drill: str | None
    token: UUID


class Fenced(Exception):
    """Another worker holds the delivery now; the idempotency key keeps it from going twice."""


_PERHAPS_SENT = """
select exists (select from attempt_delivery ad join attempt a on a.id = ad.attempt_id
                where ad.delivery_id = $1 and a.state in ('open', 'unknown'))
"""
_LEAVE_ATTEMPTS = """
update attempt set state = 'unknown', finished_at = app.now() where state = 'open'
   and id in (select attempt_id from attempt_delivery where delivery_id = $1)
"""


async def hold(connection: Connection, claimed: Claimed, reason: str) -> None:
    """Keep it for a person. `reason` is a phrase without a name in it."""
    await move(connection, claimed, "held", "held_reason = $4", reason)
    await record_for(connection, "held", claimed, None, {"reason": reason})


async def expire(connection: Connection, claimed: Claimed) -> None:
    await move(connection, claimed, "expired", "held_reason = $4", None)
    await record_for(connection, "expired", claimed, None, {})


async def let_go(connection: Connection, claimed: Claimed) -> None:
    """Give it back after an error of our own: unknown if it may have left, else due.

    Its start stays counted, so that what fails so each time is held in the end.
    """
    perhaps_sent = await connection.fetchval(_PERHAPS_SENT, claimed.id)
    await connection.execute(_LEAVE_ATTEMPTS, claimed.id)
    status = "unknown" if perhaps_sent else "due"
    await move(
        connection, claimed, status, "next_attempt_at = app.now() + $4 * interval '1 s'", LET_GO_S
    )
    await record_for(connection, "let_go", claimed, None, {"now": status})


async def move(
    connection: Connection, claimed: Claimed, status: str, extra: str, *values: Any
) -> None:
    """Put it down in `status`, with `extra` columns set from $4 on. Raises Fenced."""
    moved = await connection.fetchval(
        f"update delivery set status = $3, claimed_by = null, claim_token = null,"
        f" claimed_at = null, {extra} where id = $1 and claim_token = $2 returning true",
        claimed.id,
        claimed.token,
        status,
        *values,
    )
    if not moved:
        raise Fenced


async def record_for(
    connection: Connection,
    kind: str,
    claimed: Claimed,
    attempt_id: UUID | None,
    data: dict[str, Any],
) -> None:
    """A line on its timeline."""
    await record(
        connection,
        kind,
        practice_id=claimed.practice_id,
        delivery_id=claimed.id,
        attempt_id=attempt_id,
        lane_id=claimed.lane_id,
        data=data,
        actor="worker",
        drill=claimed.drill,
    )
