"""The rows of signed links: made, looked up, used, listed and ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.integrations.storage.link import Scope, maker
from mentalspace.practice.person import Person

StaffRole: TypeAlias = Literal["administrator", "clinician", "biller", "front_desk"]
Purpose: TypeAlias = Literal[
    "treatment", "payment", "operations", "patient_request", "court_order", "other"
]
State: TypeAlias = Literal["open", "unknown", "revoked", "expired", "used", "for_somebody_else"]

_ADD = """
insert into storage.link (id, practice_id, scope, file_id, maker_id, maker_role, maker_client,
                          guarded, one_time, for_user, for_role, expires_at, purpose, recipient)
select id, $3, $4, file, $5, $6, $7, $8, $9, $10, $11, app.now() + $12, $13, $14
  from unnest($1::uuid[], $2::uuid[]) as one (id, file)
"""
_FIND = """
select file_id, practice_id, maker_id, maker_role, maker_client, one_time, for_user, for_role,
       expires_at from storage.link where id = $1 and guarded
"""
_STATE = "select storage.link_state($1, $2, $3)"
_USE = "select storage.use_link($1, $2, $3)"
_OPEN = """
select id, maker_id, guarded, one_time, for_user, for_role, purpose, recipient, created_at,
       expires_at, uses
  from storage.link
 where file_id = $1 and revoked_at is null and expires_at > app.now()
   and (not one_time or used_at is null)
 order by created_at, id limit 1000
"""
_END = """
update storage.link set revoked_at = app.now(), revoked_by = app.user_id()
 where id = $1 and revoked_at is null returning file_id
"""
_END_ALL = """
update storage.link set revoked_at = app.now(), revoked_by = app.user_id()
 where file_id = $1 and revoked_at is null and expires_at > app.now()
   and (not one_time or used_at is null)
returning id
"""
_KNOWN = "select file_id from storage.link where id = $1"


@dataclass(frozen=True, slots=True)
class Guard:
    """How much less than everybody a link is for; `for_role` is one of the staff's."""

    one_time: bool = False
    for_user: UUID | None = None
    for_role: str | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """What a file is given for, and to which office, as far as that was said."""

    purpose: Purpose | None = None
    recipient: str | None = None

    def words(self) -> dict[str, str]:
        """For the audit."""
        both = {"purpose": self.purpose, "recipient": self.recipient}
        return {name: said for name, said in both.items() if said is not None}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A guarded link's row. `maker` is as it was when the link was made."""

    file_id: UUID
    maker: Person
    guard: Guard
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Open:
    """A link that still works."""

    id: UUID
    maker_id: UUID
    guarded: bool
    one_time: bool
    for_user: UUID | None
    for_role: str | None
    purpose: Purpose | None
    recipient: str | None
    created_at: datetime
    expires_at: datetime
    uses: int


_UNSAID = Why()


async def add(
    connection: Connection,
    person: Person,
    scope: Scope,
    made: Sequence[tuple[UUID, UUID | None]],
    lasts: timedelta,
    guard: Guard | None = None,
    why: Why = _UNSAID,
) -> None:
    """One row for each of `made`: a link's id and its file's, which a link to put one in has not.
    As the person who makes them."""
    held = guard or Guard()
    await connection.execute(
        _ADD,
        [link_id for link_id, _ in made],
        [file_id for _, file_id in made],
        person.practice_id,
        scope,
        person.user_id,
        person.role,
        person.client_id,
        guard is not None,
        held.one_time,
        held.for_user,
        held.for_role,
        lasts,
        why.purpose,
        why.recipient,
    )


async def find(connection: Connection, link_id: UUID) -> Waiting | None:
    """A guarded link, however it stands. As the practice's worker."""
    row = await connection.fetchrow(_FIND, link_id)
    if row is None:
        return None
    return Waiting(
        row["file_id"],
        maker(row["maker_id"], row["maker_role"], row["practice_id"], row["maker_client"]),
        Guard(row["one_time"], row["for_user"], row["for_role"]),
        row["expires_at"],
    )


async def state_of(connection: Connection, link_id: UUID, visitor: Person | None) -> State:
    """How it stands for whoever holds it. Changes nothing."""
    state: State = await connection.fetchval(_STATE, link_id, *_who(visitor))
    return state


async def use(connection: Connection, link_id: UUID, visitor: Person | None) -> State:
    """Use it, if it is open to them; whoever comes second to a link for one use is told so."""
    state: State | None = await connection.fetchval(_USE, link_id, *_who(visitor))
    return state or "unknown"


async def list_open(connection: Connection, file_id: UUID) -> list[Open]:
    """Those that whoever asks has made; an administrator sees all."""
    return [Open(**dict(row)) for row in await connection.fetch(_OPEN, file_id)]


async def end(connection: Connection, link_id: UUID) -> tuple[bool, UUID | None] | None:
    """Whether it was ended now, and its file; None if there is none that is theirs to end."""
    row = await connection.fetchrow(_END, link_id)
    if row is not None:
        return True, row["file_id"]
    known = await connection.fetchrow(_KNOWN, link_id)
    return None if known is None else (False, known["file_id"])


async def end_all(connection: Connection, file_id: UUID) -> list[UUID]:
    """End every open link to a file that is theirs to end; which."""
    return [row["id"] for row in await connection.fetch(_END_ALL, file_id)]


def _who(visitor: Person | None) -> tuple[Any, Any]:
    return (None, None) if visitor is None else (visitor.user_id, visitor.role)
