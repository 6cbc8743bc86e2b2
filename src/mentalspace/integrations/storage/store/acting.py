"""One request's transaction: as whom, doing what, and what of it is written down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import asyncpg

from mentalspace.engine.db import Connection, Database
from mentalspace.engine.log import get_logger
from mentalspace.integrations.storage.refusal import (
    BAD_REQUEST,
    NO_BUCKET,
    NOT_ALLOWED,
    OBJECT_EXISTS,
    Refused,
)
from mentalspace.practice.audit import note
from mentalspace.practice.person import Person

Verb = Literal["select", "insert", "update", "delete"]

# What policies may ask of a transaction besides the claims, as in Supabase.
_SAY = """
select set_config('request.jwt.claim.sub', $1, true),
       set_config('request.jwt.claim.role', 'authenticated', true),
       set_config('storage.operation', $2, true),
       set_config('request.method', $3, true), set_config('request.path', $4, true)
"""
_WHY = "select storage.refused_by($1, $2, $3, $4)"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Deed:
    """What one request does, and for whom. `operation` is Supabase's word without `storage.`;
    `link` is a signed link that the person made, and that somebody uses now: the `holder`, as far
    as they are signed in."""

    person: Person
    operation: str
    method: str
    path: str
    link: UUID | None = None
    holder: Person | None = None

    @property
    def actor(self) -> str:
        return str((self.holder or self.person).user_id)

    @property
    def role(self) -> str:
        return (self.holder or self.person).role

    @property
    def practice_id(self) -> UUID:
        """Raises Refused for on-call, who has no practice and no bucket."""
        if self.person.practice_id is None:
            raise Refused(NO_BUCKET)
        return self.person.practice_id


@asynccontextmanager
async def acting(database: Database, deed: Deed) -> AsyncIterator[Connection]:
    """A transaction as that person. What the database refuses is raised as Refused."""
    try:
        async with database.as_user(deed.person.claims()) as connection:
            await connection.execute(
                _SAY,
                str(deed.person.user_id),
                f"storage.{deed.operation}",
                deed.method,
                deed.path,
            )
            yield connection
    except asyncpg.InsufficientPrivilegeError as error:
        raise Refused(NOT_ALLOWED) from error
    except asyncpg.UniqueViolationError as error:
        raise Refused(OBJECT_EXISTS) from error
    except asyncpg.ForeignKeyViolationError as error:
        raise Refused(NO_BUCKET) from error
    except asyncpg.DataError as error:
        raise Refused(BAD_REQUEST, "A value cannot be kept as it was sent") from error


async def write_down(
    database: Database,
    connection: Connection,
    deed: Deed,
    action: str,
    *,
    subject: UUID | None = None,
    **data: str,
) -> None:
    """The last thing of a transaction: the entry in the practice's audit. It goes on as a worker,
    because a client may do things and write no history."""
    await database.go_on_as_worker(connection, deed.practice_id)
    if deed.link is not None:
        data = {**data, "by": "link", "link": str(deed.link)}
    await note(
        connection,
        deed.actor,
        action,
        practice_id=deed.practice_id,
        subject=subject,
        role=deed.role,
        **data,
    )


async def write_link_refusal_down(
    database: Database,
    practice_id: UUID,
    link_id: UUID,
    reason: str,
    visitor: Person | None,
    *,
    subject: UUID | None = None,
) -> None:
    """That somebody came with a link that was signed here and does not hold, or not for them."""
    async with database.as_worker(practice_id) as connection:
        await note(
            connection,
            "link" if visitor is None else str(visitor.user_id),
            "document_link_refused",
            practice_id=practice_id,
            subject=subject,
            role="nobody" if visitor is None else visitor.role,
            link=str(link_id),
            why=reason,
        )
    log.info("document_link_refused", practice_id=practice_id, reason=reason)


async def write_refusal_down(
    database: Database, deed: Deed, verb: Verb, bucket: str, name: str, *, policy: str | None = None
) -> None:
    """Which policy stood in the way, for those who look after this, unless it is known; nothing if
    none did, as when there is no such file. Whoever was refused is told the same in both cases."""
    if deed.person.practice_id is None:
        log.info("document_refused", role=deed.person.role, reason="no practice")
        return
    async with database.as_worker(deed.person.practice_id) as connection:
        if policy is None:
            policy = await connection.fetchval(_WHY, deed.person.claims(), verb, bucket, name)
        if policy is None:
            return
        await note(
            connection,
            deed.actor,
            "document_refused",
            practice_id=deed.person.practice_id,
            role=deed.role,
            operation=deed.operation,
            policy=policy,
        )
    log.info(
        "document_refused",
        practice_id=deed.person.practice_id,
        role=deed.person.role,
        reason=policy,
    )
