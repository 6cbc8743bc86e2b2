"""What was learned of a telephone number itself: it holds for whoever has it, however typed."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from mentalspace.engine.db import Connection

# Why a number is texted no more: the suppression's word, and the client's `phone_problem`.
LANDLINE = "landline"

# "client": a text came from it.
ToldBy = Literal["carrier", "lookup", "staff", "client"]

_LEARN = """
insert into phone_line (practice_id, e164, kind, told_by) values ($1, $2, $3, $4)
on conflict (practice_id, e164) do update set kind = $3, told_by = $4, case_id = null
"""
_TELL_CLIENTS = """
update client set phone_kind = $3, phone_problem = case when $3 = 'landline' then $3 end
 where practice_id = $1 and phone_e164 = $2 and phone_kind is distinct from $3
"""
_IS_LANDLINE = """
select exists (select from phone_line where practice_id = $1 and e164 = $2 and kind = 'landline')
"""
_WHO_HAS = "select id from client where practice_id = $1 and phone_e164 = $2"
_OF_SUPPRESSION = """
select l.practice_id, l.e164
  from suppression s join client c on c.id = s.client_id
  join phone_line l on l.practice_id = c.practice_id and l.e164 = c.phone_e164
 where s.id = $1 and l.kind = 'landline'
"""


async def learn_kind(
    connection: Connection, practice_id: UUID, e164: str, kind: str, told_by: ToldBy
) -> None:
    """Remember it, and have every client with that number say so. A second time changes nothing."""
    await connection.execute(_LEARN, practice_id, e164, kind, told_by)
    await connection.execute(_TELL_CLIENTS, practice_id, e164, kind)


async def is_landline(connection: Connection, practice_id: UUID, e164: str) -> bool:
    """Whether that was learned of it; what its digits tell is not asked."""
    return bool(await connection.fetchval(_IS_LANDLINE, practice_id, e164))


async def who_has(connection: Connection, practice_id: UUID, e164: str) -> list[UUID]:
    """The clients whose number of today it is."""
    return [row["id"] for row in await connection.fetch(_WHO_HAS, practice_id, e164)]


async def doubt_landline(connection: Connection, suppression_id: UUID) -> None:
    """A person lets texts go there again: the client said that they arrive."""
    for row in await connection.fetch(_OF_SUPPRESSION, suppression_id):
        await learn_kind(connection, row["practice_id"], row["e164"], "either", "staff")
