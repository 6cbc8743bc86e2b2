"""Why somebody may not do something with a document: the policy that stands in the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mentalspace.engine.services import Services
from mentalspace.kernel.errors import Refused

VERBS = {"read": "select", "add": "insert", "replace": "update", "delete": "delete"}

_STANDINGS = """
select u.id, m.role, m.practice_id, m.client_id, p.name as practice
  from app_user u join membership m on m.user_id = u.id left join practice p on p.id = m.practice_id
 where lower(u.email) = lower($1) and u.active order by m.role, p.name
"""
_WHY = "select storage.refused_by($1, $2, $3, $4)"
# Whether it is there is not told: a name may name somebody.
_UNLESS = "if there is such a document"
_HAS_BUCKET = "select exists (select from storage.buckets where practice_id = $1 and id = $2)"


@dataclass(frozen=True, slots=True)
class Standing:
    """What one of a person's roles may do; `because` is why not, or what must be so."""

    practice: str
    role: str
    may: bool
    because: str


async def why(services: Services, email: str, verb: str, place: str) -> list[Standing]:
    """For each role that the person has. Raises Refused for words that mean nothing here."""
    bucket, slash, name = place.partition("/")
    if verb not in VERBS or not slash or not name:
        said = f"give one of {', '.join(VERBS)}, and a place such as client-documents/ID/scan.pdf"
        raise Refused("no_such_question", said)
    async with services.database.as_door() as connection:
        rows = await connection.fetch(_STANDINGS, email)
    if not rows:
        raise Refused("no_such_person", "nobody signs in with this address")
    return [await _standing(services, row, verb, bucket, name) for row in rows]


async def _standing(services: Services, row: Any, verb: str, bucket: str, name: str) -> Standing:
    if row["practice_id"] is None:
        said = "on-call opens no document; they see sizes and types"
        return Standing("every practice", row["role"], False, said)
    claims = {
        "sub": str(row["id"]),
        "role": "authenticated",
        "practice": str(row["practice_id"]),
        "practice_role": row["role"],
        "client": str(row["client_id"]) if row["client_id"] else None,
    }
    async with services.database.as_oncall() as connection:
        has_bucket = await connection.fetchval(_HAS_BUCKET, row["practice_id"], bucket)
        policy = await connection.fetchval(_WHY, claims, VERBS[verb], bucket, name)
    if not has_bucket:
        return Standing(row["practice"], row["role"], False, "the practice has no such bucket")
    if policy is not None:
        return Standing(row["practice"], row["role"], False, f"the policy {policy}")
    return Standing(row["practice"], row["role"], True, _UNLESS if verb != "add" else "")
