"""Who works in a practice, and help for whoever lost their second factor."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

import asyncpg

from mentalspace.engine.db import Connection, Database
from mentalspace.kernel.errors import Refused
from mentalspace.practice.audit import note
from mentalspace.practice.person import Person
from mentalspace.practice.second_factor import reset

_COLLEAGUES = """
select u.id, u.name, u.email, array_agg(m.role order by m.role) as roles, f.enrolled_at
  from membership m join app_user u on u.id = m.user_id
  left join second_factor f on f.user_id = u.id
 where m.role <> 'client' and m.practice_id = $1 group by u.id, f.enrolled_at
 order by lower(u.name), u.id
"""
_NAMES = """
select u.id, u.name, bool_and(m.role = 'client') as is_client
  from app_user u join membership m on m.user_id = u.id where u.id = any ($1) group by u.id
"""
_BELONGS = """
select bool_or(practice_id is not distinct from $2) as here,
       bool_or(practice_id is distinct from $2) as elsewhere
  from membership where user_id = $1 and role <> 'client'
"""


async def read_colleagues(connection: Connection, practice_id: UUID) -> list[Any]:
    """The practice's staff, as its administrator sees them."""
    return list(await connection.fetch(_COLLEAGUES, practice_id))


async def names_of(database: Database, user_ids: Collection[UUID]) -> dict[UUID, tuple[str, bool]]:
    """Each one's name, and whether they are a client, of whoever wrote their name under something
    that the asker may see."""
    if not user_ids:
        return {}
    async with database.as_door() as connection:
        rows = await connection.fetch(_NAMES, list(user_ids))
    return {row["id"]: (row["name"], row["is_client"]) for row in rows}


async def reset_colleague(database: Database, administrator: Person, user_id: UUID) -> bool:
    """Take a colleague's second factor away and end their sessions; False if they had none.

    Raises Refused for oneself, and for whoever also works elsewhere: another practice must not
    be opened by this one's word.
    """
    if user_id == administrator.user_id:
        raise Refused("own_second_factor", "your own is turned off with your password and a code")
    async with database.as_door() as connection:
        row = await connection.fetchrow(_BELONGS, user_id, administrator.practice_id)
        if row is None or not row["here"]:
            raise Refused("no_such_colleague", "nobody of that id works in this practice")
        if row["elsewhere"]:
            text = "they also work elsewhere; ask an on-call engineer to reset it"
            raise Refused("works_elsewhere", text)
        done = await reset(connection, user_id)
        await note(
            connection,
            str(administrator.user_id),
            "second_factor_reset",
            practice_id=administrator.practice_id,
            subject=user_id,
        )
    return done


async def reset_by_operator(owner: asyncpg.Connection[Any], email: str, actor: str) -> bool:
    """The same by whoever runs the installation. Raises Refused for an unknown address."""
    user_id = await owner.fetchval("select id from app_user where lower(email) = lower($1)", email)
    if user_id is None:
        raise Refused("no_such_person", "nobody signs in with that address")
    done = await reset(owner, user_id)
    practices = await owner.fetch(
        "select distinct practice_id from membership where user_id = $1", user_id
    )
    for row in practices:
        await note(
            owner, actor, "second_factor_reset", practice_id=row["practice_id"], subject=user_id
        )
    return done
