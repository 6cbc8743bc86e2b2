"""A practice's register of vendor agreements: recorded and revoked by an administrator, audited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from mentalspace.engine.agreement import NewAgreement, add_agreement, revoke_agreement
from mentalspace.engine.db import Connection
from mentalspace.kernel.errors import Refused
from mentalspace.kernel.integration import Integration
from mentalspace.practice.audit import note

LONGEST_REFERENCE = 500
# When the administrator is asked to have it renewed: so many days before it ends.
WARN_DAYS = (30, 7)

_REGISTER = """
select id, vendor, kind, signed_on, expires_on, reference, recorded_by, recorded_at, revoked_at,
       revoked_by, app.today(practice_id) as today
  from vendor_agreement where drill is null
 order by revoked_at is not null, signed_on desc, recorded_at desc
"""


def vendors(rooms: Mapping[str, Integration]) -> dict[str, str]:
    """Whoever an agreement may be with: each provider's name, and its title."""
    return {p.name: p.title for room in rooms.values() for p in room.providers}


async def record_agreement(
    connection: Connection,
    rooms: Mapping[str, Integration],
    new: NewAgreement,
    *,
    actor: str,
    name: str,
) -> UUID:
    """Its id. `actor` is for the audit, `name` for people. Raises Refused with what is wrong."""
    known = vendors(rooms)
    if new.vendor not in known:
        raise Refused("no_such_vendor", f"there is no vendor of that name: {', '.join(known)}")
    if len(new.reference) > LONGEST_REFERENCE or not new.reference.isprintable():
        raise Refused("bad_reference", f"say in one line of {LONGEST_REFERENCE} where it is kept")
    agreement_id = await add_agreement(connection, new, name)
    await note(
        connection,
        actor,
        "agreement_recorded",
        practice_id=new.practice_id,
        subject=agreement_id,
        vendor=new.vendor,
    )
    return agreement_id


async def withdraw_agreement(
    connection: Connection, practice_id: UUID, agreement_id: UUID, *, actor: str, name: str
) -> str | None:
    """Its vendor; None if the practice has no such agreement that held until now."""
    vendor = await revoke_agreement(connection, agreement_id, name)
    if vendor is not None:
        await note(
            connection,
            actor,
            "agreement_revoked",
            practice_id=practice_id,
            subject=agreement_id,
            vendor=vendor,
        )
    return vendor


async def read_register(connection: Connection) -> list[Any]:
    """Every agreement of the administrator's practice; those that hold stand first."""
    return list(await connection.fetch(_REGISTER))
