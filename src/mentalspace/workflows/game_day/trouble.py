"""What is broken already: a game day would take it for what its drills break."""

from __future__ import annotations

from collections.abc import Collection

from mentalspace.engine.db import Connection

# The rooms of which the background of a game day knows an ordinary message.
SPOKEN = frozenset({"email", "sms"})

_OPEN = """
select integration || ': ' || title as words from incident
 where drill is null and status <> 'resolved' and recovered_at is null and integration = any ($1)
 order by opened_at, id
"""


async def in_trouble(
    connection: Connection, rooms: Collection[str], per_minute: float
) -> list[str]:
    """The open incidents of those rooms, and of the background's where there is one. As on-call."""
    asked = {*rooms, *(SPOKEN if per_minute else ())}
    return [row["words"] for row in await connection.fetch(_OPEN, sorted(asked))]


def refusal_words(trouble: Collection[str]) -> str:
    return (
        f"not all is well before it: {'; '.join(trouble)}. What fails then is no drill's doing, and"
        " the report would be of no use"
    )
