"""The ledger of deliveries and the append-only timeline: the truth the queue only hints at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.correlation import note_written, request_at_hand, traceparent_at_hand
from mentalspace.engine.db import Connection
from mentalspace.engine.hours import Hours
from mentalspace.engine.secrets import Vault
from mentalspace.kernel.ids import new_traceparent
from mentalspace.kernel.integration import LaneClass
from mentalspace.kernel.phi import Phi


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """One thing for one recipient, rendered. `payload` is frozen here: what is retried is this.

    `idempotency_key` says what it is, so that the same thing is never put in twice:
    integration, subject, version and kind, at most 256 characters, nothing private.
    `carries_phi` is False only for what says nothing of any client. Outside its `hours` it waits,
    at each attempt; without any it may leave at night. `despite_suppression` is for what answers
    somebody who just wrote, even to say that they want no more.
    """

    practice_id: UUID
    integration: str
    lane_class: LaneClass
    kind: str
    idempotency_key: str
    payload: bytes
    recipient: Phi[str]
    due_at: datetime | None = None
    expires_at: datetime | None = None
    subject_type: str | None = None
    subject_id: UUID | None = None
    client_id: UUID | None = None
    bypass_guard: bool = False
    carries_phi: bool = True
    drill: str | None = None
    credential_id: UUID | None = None
    traceparent: str | None = None
    hours: Hours | None = None
    despite_suppression: bool = False


_LANE = """
select l.id, l.credential_id from lane l join credential c on c.id = l.credential_id
 where l.practice_id = $1 and l.integration = $2 and l.class = $3
   and (c.id = $4 or ($4::uuid is null and c.active and c.drill is null))
 order by c.rank, c.created_at limit 1
"""
_INSERT = """
insert into delivery (practice_id, lane_id, credential_id, integration, kind, subject_type,
  subject_id, client_id, recipient_key, payload, bypass_guard, idempotency_key, due_at,
  next_attempt_at, expires_at, traceparent, drill, carries_phi, hours,
  despite_suppression)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, coalesce($13, app.now()),
  -- whoever is suppressed is refused at once, while the client can be told in another way
  case when app.is_suppressed($1, $4, $9, $16, $8) then app.now() else coalesce($13, app.now()) end,
  $14, $15, $16, $17, $18, $19)
on conflict (practice_id, integration, idempotency_key) do nothing
returning id
"""
_PERHAPS_SENT = """
select distinct ad.delivery_id from attempt_delivery ad join attempt a on a.id = ad.attempt_id
 where ad.delivery_id = any ($1) and a.state in ('open', 'unknown')
"""
_LEAVE_ATTEMPTS = """
update attempt set state = 'unknown', finished_at = app.now() where state = 'open'
   and id in (select attempt_id from attempt_delivery where delivery_id = any ($1))
"""


async def enqueue(connection: Connection, vault: Vault, new: NewDelivery) -> UUID | None:
    """Write the delivery in the caller's transaction; its id.

    None if the practice has no credential for that integration: the caller records that and
    goes on, for nothing downstream may stop the clinical act. Enqueuing the same key again
    changes nothing and gives the id of the first.
    """
    lane = await connection.fetchrow(
        _LANE, new.practice_id, new.integration, new.lane_class, new.credential_id
    )
    if lane is None:
        return None
    asked_in = new.traceparent or traceparent_at_hand()
    delivery_id: UUID | None = await connection.fetchval(
        _INSERT,
        new.practice_id,
        lane["id"],
        lane["credential_id"],
        new.integration,
        new.kind,
        new.subject_type,
        new.subject_id,
        new.client_id,
        vault.recipient_key(new.practice_id, new.recipient.reveal()),
        vault.seal(new.practice_id, "delivery", new.payload),
        new.bypass_guard,
        new.idempotency_key,
        new.due_at,
        new.expires_at,
        asked_in or new_traceparent(),
        new.drill,
        new.carries_phi,
        new.hours.to_json() if new.hours else None,
        new.despite_suppression,
    )
    if delivery_id is None:
        existing: UUID | None = await connection.fetchval(
            "select id from delivery where practice_id = $1 and integration = $2"
            " and idempotency_key = $3",
            new.practice_id,
            new.integration,
            new.idempotency_key,
        )
        return existing
    await record(
        connection,
        "delivery_created",
        practice_id=new.practice_id,
        delivery_id=delivery_id,
        lane_id=lane["id"],
        data={
            "kind": new.kind,
            "class": new.lane_class,
            **_asked_by(),
            **({} if asked_in else {"root": True}),  # it begins its trace
        },
        drill=new.drill,
    )
    note_written()
    return delivery_id


def _asked_by() -> dict[str, str]:
    request_id = request_at_hand()
    return {"request_id": request_id} if request_id else {}


_CANCEL = """
update delivery set status = 'cancelled' where {which}
   and status in ('pending', 'due', 'held') returning id, practice_id, drill
"""


async def cancel_pending(
    connection: Connection, subject_id: UUID, *, kind: str, reason: str, actor: str
) -> int:
    """Cancel what of that kind has not left yet for a subject; how many."""
    which = _CANCEL.format(which="subject_id = $1 and kind = $2")
    rows = await connection.fetch(which, subject_id, kind)
    return len(await _record_cancelled(connection, rows, reason, actor))


async def cancel_subjects(
    connection: Connection, subject_ids: Sequence[UUID], *, reason: str, actor: str
) -> list[UUID]:
    """Cancel what of these subjects has not left yet; which."""
    rows = await connection.fetch(_CANCEL.format(which="subject_id = any($1)"), subject_ids)
    return await _record_cancelled(connection, rows, reason, actor)


async def cancel_deliveries(
    connection: Connection, delivery_ids: Sequence[UUID], *, reason: str, actor: str
) -> list[UUID]:
    """Cancel those of them that have not left yet; which."""
    if not delivery_ids:
        return []
    rows = await connection.fetch(_CANCEL.format(which="id = any($1)"), delivery_ids)
    return await _record_cancelled(connection, rows, reason, actor)


async def _record_cancelled(
    connection: Connection, rows: Sequence[Any], reason: str, actor: str
) -> list[UUID]:
    for row in rows:
        await record(
            connection,
            "cancelled",
            practice_id=row["practice_id"],
            delivery_id=row["id"],
            data={"reason": reason},
            actor=actor,
            drill=row["drill"],
        )
    return [row["id"] for row in rows]


async def leave_attempts(connection: Connection, delivery_ids: Sequence[UUID]) -> set[UUID]:
    """Close the attempts under way for deliveries that are taken back; which perhaps went out.

    The caller has locked them: an attempt could be opened between the question and the answer.
    """
    rows = await connection.fetch(_PERHAPS_SENT, delivery_ids)
    await connection.execute(_LEAVE_ATTEMPTS, delivery_ids)
    return {row["delivery_id"] for row in rows}


async def record(
    connection: Connection,
    kind: str,
    *,
    practice_id: UUID | None = None,
    delivery_id: UUID | None = None,
    attempt_id: UUID | None = None,
    lane_id: UUID | None = None,
    incident_id: UUID | None = None,
    data: Mapping[str, Any] | None = None,
    actor: str = "system",
    drill: str | None = None,
) -> None:
    """Append one line to the timeline. `data` holds codes, counts and ids, never a name."""
    await connection.execute(
        "insert into timeline (practice_id, delivery_id, attempt_id, lane_id, incident_id, kind,"
        " data, actor, drill) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        practice_id,
        delivery_id,
        attempt_id,
        lane_id,
        incident_id,
        kind,
        dict(data or {}),
        actor,
        drill,
    )


async def record_all(
    connection: Connection,
    kind: str,
    *,
    practice_id: UUID,
    lines: Sequence[tuple[UUID, str | None, Mapping[str, Any]]],
    attempt_id: UUID | None = None,
    lane_id: UUID | None = None,
    actor: str = "system",
) -> None:
    """Append one line for each of many deliveries, given as delivery, drill and data."""
    await connection.execute(
        "insert into timeline (practice_id, delivery_id, attempt_id, lane_id, kind, data, actor,"
        " drill) select $1, line.delivery_id, $2, $3, $4, line.data, $5, line.drill"
        " from unnest($6::uuid[], $7::text[], $8::jsonb[]) as line (delivery_id, drill, data)",
        practice_id,
        attempt_id,
        lane_id,
        kind,
        actor,
        [delivery_id for delivery_id, _, _ in lines],
        [drill for _, drill, _ in lines],
        [dict(data) for _, _, data in lines],
    )
