"""The Part 2 mark of a client: each document that comes from now on is labelled. Staff put it on;
administrators take it off, and say why."""

from __future__ import annotations

from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.integrations.storage.labelling import reason_of
from mentalspace.integrations.storage.refusal import Refused as Unusable
from mentalspace.kernel.errors import Refused
from mentalspace.practice.audit import note
from mentalspace.practice.person import Person

_MARK = "update client set part2 = true where id = $1 and not part2 returning true"
_UNMARK = "update client set part2 = false where id = $1 and part2 returning true"


async def mark_client(connection: Connection, person: Person, client_id: UUID) -> None:
    """In the caller's transaction, as the person. May run twice; only a change is written down."""
    if await connection.fetchval(_MARK, client_id):
        await _note(connection, person, "client.part2_marked", client_id)


def may_unmark(person: Person, reason: str) -> str:
    """The reason, in one line. Raises Refused for whoever may not, and for what says nothing."""
    if person.role != "administrator":
        raise Refused("administrator_only", "only an administrator takes this mark off")
    try:
        return reason_of(reason)
    except Unusable as error:
        raise Refused("reason_missing", str(error)) from error


async def unmark_client(
    connection: Connection, person: Person, client_id: UUID, reason: str
) -> None:
    """What is here stays marked. Raises Refused as `may_unmark` does."""
    said = may_unmark(person, reason)
    if await connection.fetchval(_UNMARK, client_id):
        await _note(connection, person, "client.part2_unmarked", client_id, reason=said)


async def _note(
    connection: Connection, person: Person, action: str, client_id: UUID, **data: str
) -> None:
    await note(
        connection, str(person.user_id), action, practice_id=person.practice_id,
        subject=client_id, role=person.role, **data,
    )  # fmt: skip
