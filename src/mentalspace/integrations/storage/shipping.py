"""Lets a landed version be copied to the practice's provider, and a removed one go there."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import NewDelivery, cancel_pending, enqueue
from mentalspace.engine.secrets import Vault
from mentalspace.integrations.storage.document import Document, removal_of
from mentalspace.kernel.phi import Phi

# A copy may be under way when its document is removed: longer than an attempt lasts, and the look
# after one whose answer was lost.
REMOVE_AFTER = timedelta(minutes=10)

# Where a version's copy went, whatever its document's bucket and name are by now.
_SHIPPED = """
select idempotency_key, client_id from delivery
 where subject_id = $1 and integration = 'storage' and kind = 'document'
"""


async def ship(
    connection: Connection,
    vault: Vault,
    practice_id: UUID,
    document: Document,
    *,
    client_id: UUID | None = None,
) -> UUID | None:
    """In the transaction that lets the version be found: it is copied, or it never was there.

    One of kind sealed the runbook holds for a person, and nothing sends it. The delivery's id; None
    for a practice whose documents live here alone. Twice is no mistake. Runs as the worker.
    """
    return await enqueue(connection, vault, _delivery(practice_id, document, client_id))


async def forget_sealed(connection: Connection, version: str, *, reason: str) -> None:
    """A person has decided about a sealed version. Runs as the worker."""
    await cancel_pending(connection, UUID(version), kind="sealed", reason=reason, actor="system")


async def withdraw(
    connection: Connection, vault: Vault, practice_id: UUID, version: str, *, now: datetime
) -> UUID | None:
    """In the transaction that removes the version: what has not left stays, and whatever is there
    goes a little later. None for one that was never shipped. Runs as the worker."""
    await forget_sealed(connection, version, reason="removed")
    shipped = await connection.fetchrow(_SHIPPED, UUID(version))
    if shipped is None:
        return None
    await cancel_pending(
        connection, UUID(version), kind="document", reason="removed", actor="system"
    )
    removal = removal_of(shipped["idempotency_key"].split("/", 1)[1].rpartition("/")[0])
    new = _delivery(practice_id, removal, shipped["client_id"], due_at=now + REMOVE_AFTER)
    return await enqueue(connection, vault, new)


def _delivery(
    practice_id: UUID,
    document: Document,
    client_id: UUID | None,
    *,
    due_at: datetime | None = None,
) -> NewDelivery:
    return NewDelivery(
        practice_id=practice_id,
        integration="storage",
        lane_class="bulk",
        kind=document.kind,
        idempotency_key=f"storage/{document.place}/{document.kind}",
        payload=document.to_bytes(),
        recipient=Phi(document.place),
        due_at=due_at,
        subject_type="document",
        subject_id=UUID(document.version),
        client_id=client_id,
    )
