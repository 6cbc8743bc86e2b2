"""A delivery's story for a terminal: what it is, and what happened to it, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mentalspace.kernel.errors import Refused

if TYPE_CHECKING:
    from mentalspace.engine.services import Services

_DELIVERY = """
select d.id, d.integration, c.provider, d.kind, d.status, p.slug as practice, d.attempts,
       d.reconciliations, d.last_case, d.held_reason, d.provider_message_id, d.idempotency_key,
       d.traceparent, d.drill, d.created_at, d.due_at, d.next_attempt_at, d.accepted_at, d.ended_at
  from delivery d
  join credential c on c.id = d.credential_id
  join practice p on p.id = d.practice_id
 where d.id::text = lower($1) or d.provider_message_id = $1
 order by d.created_at desc limit 1
"""
_TIMELINE = "select at, kind, data, actor from timeline where delivery_id = $1 order by id"

# Shown above the story where there is something to show.
_FACTS = (
    ("Practice", "practice"),
    ("Attempts", "attempts"),
    ("Last case", "last_case"),
    ("Held because", "held_reason"),
    ("Provider's id", "provider_message_id"),
    ("Idempotency key", "idempotency_key"),
    ("Trace", "traceparent"),
    ("Drill", "drill"),
)


@dataclass(frozen=True, slots=True)
class Message:
    delivery: dict[str, Any]
    timeline: tuple[dict[str, Any], ...]

    def public(self) -> dict[str, Any]:
        return {**self.delivery, "timeline": list(self.timeline)}


async def find_message(services: Services, message_id: str) -> Message:
    """By our id or the provider's, as an on-call engineer sees it. Raises Refused."""
    async with services.database.as_oncall() as connection:
        delivery = await connection.fetchrow(_DELIVERY, message_id)
        if delivery is None:
            raise Refused("no_such_message", "there is no message of that id")
        rows = await connection.fetch(_TIMELINE, delivery["id"])
    return Message(dict(delivery), tuple(dict(row) for row in rows))


def story(services: Services, message: Message) -> str:
    """The facts, then one line for each thing that happened."""
    from mentalspace.console.narrate import narrate
    from mentalspace.console.words import kind, status

    found = message.delivery
    room = services.rooms.get(found["integration"])
    provider = room.provider(found["provider"]).title if room else found["provider"]
    state = status(found["status"], provider)
    lines = [
        f"{kind(found['kind'])} through {provider}",
        f"{state.word}: {state.meaning}",
        "",
        *(f"  {label:<17}{found[name]}" for label, name in _FACTS if found[name] is not None),
        "",
    ]
    titles = {p.name: p.title for p in room.providers} if room else {}
    for line in narrate(message.timeline, provider, lambda name: titles.get(name, name)):
        times = f" ({line.times} times)" if line.times > 1 else ""
        case = f"  [{line.case_id}]" if line.case_id else ""
        lines.append(f"{line.at.isoformat(sep=' ', timespec='seconds')}  {line.text}{times}{case}")
    return "\n".join(lines)
