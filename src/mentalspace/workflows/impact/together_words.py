"""What several incidents have to do with each other, in one line: whom they touch together, when
the first of these is expected, and what leaves meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from mentalspace.workflows.impact.together import Linked, Summed, Together

# What a line is made of: a door writes a moment in its reader's zone, and an incident as a link.
Part: TypeAlias = str | datetime | Linked

_BY: Mapping[str, str] = {
    "email": "by a mail",
    "sms": "by a text",
    "storage": "by a copy of a document",
}
_MESSAGES: Mapping[str, tuple[str, str]] = {
    "email": ("mail", "mails"),
    "sms": ("text", "texts"),
    "storage": ("copy", "copies"),
}


def head(told: Together) -> str:
    """`Both ways out of Mesa are out`, without a full stop; of several practices, at how many."""
    if told.kind == "way_out":
        return "One cause, our way out"
    out = "were out" if told.is_over else "are out"
    # Of these one still takes messages now and then.
    if told.leaves and told.out >= told.of:
        out = "failed" if told.is_over else "fail"
    many = "both" if told.of == 2 else f"all {told.of}"
    many = f"{told.out} of the {told.of}" if told.out < told.of else many
    of = f" of {told.practice}" if told.practice else ""
    where = f"at {told.practices:,} practices " if told.practices > 1 else ""
    said = f"{where}{many} ways out{of} {out}"
    return said[:1].upper() + said[1:]


def line(told: Together, own: UUID | None = None) -> list[Part]:
    """All of it, on the page of the incident `own` or where none is at hand; `head` begins it."""
    return [f"{head(told)}: ", *which(told, own), ". ", *sums(told)]


def which(told: Together, own: UUID | None = None) -> list[Part]:
    """`this and Five mails in a row failed: SMTP relay`."""
    named: list[Part] = list(told.incidents)
    if own is not None and told.others(own) != list(told.incidents):
        named = ["this", *told.others(own)]
    return list(_listed(named))


def sums(told: Together) -> list[Part]:
    """Whom they touch, and what leaves."""
    return [*_people(told), *_leaves(told)]


def plain(parts: Sequence[Part], moment: Callable[[datetime], str]) -> str:
    """Where nothing can be a link."""
    return "".join(_text(part, moment) for part in parts).strip()


def public(told: Together) -> dict[str, Any]:
    """For machines; keys are stable."""
    counted = told.sum
    return {
        "kind": told.kind,
        "integration": told.integration,
        "incidents": [
            {"id": one.id, "title": one.title, "provider": one.provider} for one in told.incidents
        ],
        "practices": counted.practices if counted and told.kind == "way_out" else told.practices,
        "people": counted.people if counted else None,
        "people_left": counted.people_left if counted else None,
        "people_by_integration": dict(counted.by_room) if counted else None,
        "next_appointment_at": counted.next_at if counted else None,
        "leaves_by": [provider for provider, _at in told.leaves],
    }


def _text(part: Part, moment: Callable[[datetime], str]) -> str:
    if isinstance(part, Linked):
        return part.name
    return part if isinstance(part, str) else moment(part)


def _listed(parts: Sequence[Part]) -> Iterator[Part]:
    """`A, B and C`."""
    for place, part in enumerate(parts):
        if place:
            yield " and " if place == len(parts) - 1 else ", "
        yield part


def _people(told: Together) -> Iterator[Part]:
    counted = told.sum
    if counted is None:
        yield "How many people they touch together could not be counted in time. "
        return
    if not counted.people:
        yield f"Nobody {'was' if told.is_over else 'is'} touched by it so far. "
        return
    yield f"{_number(counted.people)} {_are(counted.people, told)} touched by "
    yield "all of it together" if told.kind == "way_out" else _by_all(told)
    if told.kind == "way_out" and counted.practices > 1:
        yield f" in {counted.practices:,} practices"
    yield ", none counted twice"
    yield from _rooms(counted)
    if told.is_over:
        yield ". "
        return
    left = counted.people_left
    if not left:
        yield "; all of them are dealt with. "
        return
    yield f"; {_left(told.kind, left, counted.people)}"
    if counted.next_at is not None:
        yield ", the next appointment among them "
        yield counted.next_at
    else:
        yield ", none of them with an appointment ahead"
    yield ". "


def _by_all(told: Together) -> str:
    return "both together" if len(told.incidents) == 2 else "all of them together"


def _left(kind: str, left: int, people: int) -> str:
    """Of a copy nobody says that a person is reached."""
    if kind == "way_out":
        return "none of them has got it yet" if left == people else f"{left:,} have not got it yet"
    if left < people:
        return f"{left:,} of them not reached yet"
    return "not reached yet" if people == 1 else "none of them reached yet"


def _rooms(counted: Summed) -> Iterator[str]:
    """Where it is more than one: whoever is in two of these is one of the people."""
    if len(counted.by_room) < 2:
        return
    by = counted.by_room.items()
    said = [f"{number:,} {_BY.get(room, 'by a message')}" for room, number in by]
    yield f": {', '.join(said)}"


def _leaves(told: Together) -> Iterator[Part]:
    if told.kind == "way_out" or told.integration is None:
        return
    one, many = _MESSAGES.get(told.integration, ("message", "messages"))
    if not told.leaves:
        yield f"No {one} {'left' if told.is_over else 'leaves'} meanwhile."
        return
    by = ", ".join(provider for provider, _at in told.leaves)
    many = many[:1].upper() + many[1:]
    yield f"{many} {'left' if told.is_over else 'leave'} meanwhile by {by}, the last "
    yield told.leaves[0][1]
    yield "."


def _number(people: int) -> str:
    return f"{people:,} {'person' if people == 1 else 'people'}"


def _are(people: int, told: Together) -> str:
    if told.is_over:
        return "was" if people == 1 else "were"
    return "is" if people == 1 else "are"
