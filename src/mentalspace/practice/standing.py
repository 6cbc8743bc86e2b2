"""Whether whoever a token names is still who it says: it outlives what it was made of."""

from __future__ import annotations

from dataclasses import replace

from mentalspace.engine.db import Database
from mentalspace.kernel.phi import Phi
from mentalspace.practice.person import Person

# A token for somebody who is nobody here may come from another issuer with our secret.
_KNOWN = """
select (select name from practice where id = $2) as practice_name, u.name, u.email,
       u.id is null or u.active and exists (
         select from membership m where m.user_id = u.id and m.role = $3
            and m.practice_id is not distinct from $2 and m.client_id is not distinct from $4
       ) as holds
  from (select 1) one left join app_user u on u.id = $1
"""


async def as_known(database: Database, person: Person) -> Person | None:
    """The person with their name; None once their account was closed, or the role taken away,
    since the token was signed. The database has the last word."""
    async with database.as_door() as connection:
        row = await connection.fetchrow(
            _KNOWN, person.user_id, person.practice_id, person.role, person.client_id
        )
    assert row is not None
    if not row["holds"] or (person.practice_id is not None and row["practice_name"] is None):
        return None
    return replace(
        person,
        name=row["name"] or "",
        email=Phi(row["email"] or ""),
        practice_name=row["practice_name"],
    )
