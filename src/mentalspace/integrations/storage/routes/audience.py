"""For whom a guarded link is asked for, and whether they are anybody here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args
from uuid import UUID

from mentalspace.engine.db import Database
from mentalspace.integrations.storage.refusal import BAD_REQUEST, Refused
from mentalspace.integrations.storage.store.links import Guard, StaffRole

_KINDS = ("user", "client", "role")
_SAID = "audience: give an object with one of user, client (their ids) or role"
# Whoever signs in as that person or as that client, at this practice.
_PERSON = """
select user_id from membership
 where practice_id = $1 and case when $2 = 'client' then client_id = $3 else user_id = $3 end
 limit 1
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """`kind` is None for everybody who has the link."""

    one_time: bool
    kind: str | None
    role: str | None
    id: UUID | None

    async def for_people_of(self, database: Database, practice_id: UUID) -> Guard:
        """Raises Refused for somebody who could never open it."""
        if self.id is None:
            return Guard(self.one_time, None, self.role)
        async with database.as_door() as connection:
            user = await connection.fetchval(_PERSON, practice_id, self.kind, self.id)
        if user is None:
            raise Refused(BAD_REQUEST, f"audience: that {self.kind} has no log-in at this practice")
        return Guard(self.one_time, user)

    def words(self) -> dict[str, str]:
        """What the audit says of it: a role, or somebody's id."""
        words = {"uses": "one"} if self.one_time else {}
        if self.kind is not None:
            words["for"] = self.role or f"{self.kind} {self.id}"
        return words


def guard_of(body: Mapping[str, Any]) -> Asked | None:
    """None if a plain link is asked for. Raises Refused."""
    one_time, audience = body.get("oneTime"), body.get("audience")
    if one_time not in (None, True, False):
        raise Refused(BAD_REQUEST, "oneTime: give true or false")
    if audience is None:
        return Asked(True, None, None, None) if one_time else None
    if not isinstance(audience, dict) or len(audience) != 1:
        raise Refused(BAD_REQUEST, _SAID)
    [(kind, given)] = audience.items()
    if kind not in _KINDS or not isinstance(given, str):
        raise Refused(BAD_REQUEST, _SAID)
    if kind == "role":
        if given not in get_args(StaffRole):
            raise Refused(BAD_REQUEST, f"audience: role is one of {', '.join(get_args(StaffRole))}")
        return Asked(bool(one_time), kind, given, None)
    try:
        return Asked(bool(one_time), kind, None, UUID(given))
    except ValueError as error:
        raise Refused(BAD_REQUEST, f"audience: {kind} is an id") from error
