"""The rows of legal holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

import asyncpg

from mentalspace.engine.db import Connection
from mentalspace.integrations.storage.refusal import NO_OBJECT, Refused

Kind: TypeAlias = Literal["file", "client"]

_COLUMNS = "id, kind, held_id, reason, held_by, held_at, follows"
_ADD = """
insert into storage.hold (practice_id, kind, held_id, reason, held_by)
values (app.practice(), $1, $2, $3, app.user_id()) returning id
"""
_IN_FORCE = f"""
select {_COLUMNS} from storage.hold
 where lifted_at is null and ($1::uuid is null or held_id = $1)
 order by held_at, id limit 1000
"""
_LIFT = """
update storage.hold set lifted_by = app.user_id(), lifted_at = app.now(), lifted_because = $2
 where id = $1 and lifted_at is null and follows is null
returning kind, held_id
"""
_WAIT = "select storage.await_holds(app.practice())"
_KNOWN = "select true from storage.hold where id = $1 and lifted_at is null"
_IS_CLIENT = "select storage.is_client($1)"


@dataclass(frozen=True, slots=True)
class Hold:
    """One in force. `held_id` is a file's or a client's; `follows` is the hold that it came from
    when its file went elsewhere, and with which it ends."""

    id: UUID
    kind: Kind
    held_id: UUID
    reason: str
    held_by: UUID
    held_at: datetime
    follows: UUID | None


async def add(connection: Connection, kind: Kind, held_id: UUID, reason: str) -> UUID:
    """As an administrator. It waits for whatever is being destroyed just then; raises Refused if
    nothing of a file is there after that."""
    try:
        made: UUID = await connection.fetchval(_ADD, kind, held_id, reason)
    except asyncpg.NoDataFoundError as error:
        raise Refused(NO_OBJECT) from error
    return made


async def wait(connection: Connection) -> None:
    """For whoever holds or destroys just then, before a row is taken that they may want."""
    await connection.execute(_WAIT)


async def in_force(connection: Connection, held_id: UUID | None = None) -> list[Hold]:
    """All, or those of one file or client. Staff see them."""
    return [Hold(**dict(row)) for row in await connection.fetch(_IN_FORCE, held_id)]


async def lift(connection: Connection, hold_id: UUID, because: str) -> tuple[Kind, UUID] | None:
    """What was held; None if none is in force that is theirs to lift. With it end those that follow
    it."""
    row: Any = await connection.fetchrow(_LIFT, hold_id, because)
    return None if row is None else (row["kind"], row["held_id"])


async def is_known(connection: Connection, hold_id: UUID) -> bool:
    """Whether there is one in force that they may see."""
    return bool(await connection.fetchval(_KNOWN, hold_id))


async def is_client(connection: Connection, client_id: UUID) -> bool:
    """Whether the practice has that client."""
    return bool(await connection.fetchval(_IS_CLIENT, client_id))
