"""A practice's register of vendor agreements: recorded and revoked by an administrator, audited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from mentalspace.engine.agreement import NewAgreement, add_agreement, revoke_agreement
from mentalspace.engine.db import Connection, Database
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
_ENDING = """
select a.id, a.practice_id, a.vendor, a.expires_on,
       a.expires_on - app.today(a.practice_id) as days_left
  from vendor_agreement a
 where a.revoked_at is null and a.drill is null
   and a.expires_on - app.today(a.practice_id) between 1 and $1
   and not exists (select from vendor_agreement b
                    where b.practice_id = a.practice_id and b.vendor = a.vendor
                      and b.revoked_at is null and b.signed_on <= a.expires_on
                      and (b.expires_on is null or b.expires_on > a.expires_on))
"""
_TOLD = """
update vendor_agreement set warned_days = $2
 where id = $1 and revoked_at is null and (warned_days is null or warned_days > $2)
returning true
"""
_TASK = "insert into task (practice_id, for_role, text) values ($1, 'administrator', $2)"
_WORDS = (
    "The agreement with {} ends on {}. Have it renewed and record the new one under Agreements,"
    " or what names clients stops that day"
)


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


async def tell_of_ends(database: Database, rooms: Mapping[str, Integration]) -> int:
    """Ask the administrators for a renewal, 30 and 7 days before an agreement ends that none
    follows; how many were asked. May run anywhere, at any time: each is told once."""
    async with database.as_dispatcher() as connection:
        ending = await connection.fetch(_ENDING, WARN_DAYS[0])
    known, told = vendors(rooms), 0
    for row in ending:
        days = min(days for days in WARN_DAYS if row["days_left"] <= days)
        async with database.as_worker(row["practice_id"]) as connection:
            if await connection.fetchval(_TOLD, row["id"], days):
                title, day = known.get(row["vendor"], row["vendor"]), row["expires_on"]
                await connection.execute(_TASK, row["practice_id"], _WORDS.format(title, day))
                told += 1
    return told


async def read_register(connection: Connection) -> list[Any]:
    """Every agreement of the administrator's practice; those that hold stand first."""
    return list(await connection.fetch(_REGISTER))
