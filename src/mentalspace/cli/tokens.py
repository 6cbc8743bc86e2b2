"""Whose token: finds the person that a role, a practice and a name stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from mentalspace.kernel.errors import Refused

if TYPE_CHECKING:
    from mentalspace.engine.services import Services
    from mentalspace.practice.person import Role

_MEMBERS = """
select u.id, m.client_id from app_user u join membership m on m.user_id = u.id
 where m.role = $1 and m.practice_id is not distinct from $2
   and ($3::text is null or lower(u.email) = lower($3) or u.id::text = lower($3))
 order by u.email limit 1
"""


async def practice_id_of(services: Services, practice: str | None) -> UUID:
    """By slug, id or name; None is the default practice. Raises Refused if there is none, or if
    several have the name."""
    async with services.database.as_dispatcher() as connection:
        rows = await connection.fetch(
            "select id, slug from practice where case when $1::text is null then is_default"
            " else slug = $1 or id::text = lower($1) or lower(name) = lower($1) end"
            " order by slug = $1 desc, slug",
            practice,
        )
        slugs = await connection.fetch("select slug from practice where not is_drill order by slug")
    if not rows:
        known = ", ".join(row["slug"] for row in slugs)
        raise Refused("no_such_practice", f"there is no such practice; known are {known}")
    if len(rows) > 1 and rows[0]["slug"] != practice:
        named = ", ".join(row["slug"] for row in rows)
        raise Refused("several_practices", f"several have that name; say which: {named}")
    found: UUID = rows[0]["id"]
    return found


async def token_for(services: Services, role: str, practice: str | None, user: str | None) -> str:
    """A signed token. Raises Refused for a role or a person that does not exist."""
    from mentalspace.practice.person import ROLES
    from mentalspace.practice.token import mint_token

    wanted = cast("Role", role.replace("-", "_"))
    if wanted not in ROLES:
        raise Refused("no_such_role", f"there is no such role; use {', '.join(ROLES)}")
    practice_id = None if wanted == "oncall" else await practice_id_of(services, practice)
    member = await _member(services, wanted, practice_id, user)
    if member is None:
        raise Refused("no_such_person", f"nobody of that name and practice is {role}")
    return mint_token(
        services.jwt_secret,
        user_id=member["id"],
        role=wanted,
        practice_id=practice_id,
        client_id=member["client_id"] if wanted == "client" else None,
    )


async def _member(
    services: Services, role: Role, practice_id: UUID | None, user: str | None
) -> Any:
    async with services.database.as_door() as connection:
        return await connection.fetchrow(_MEMBERS, role, practice_id, user)
