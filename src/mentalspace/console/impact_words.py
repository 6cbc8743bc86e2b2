"""Whom an incident touches, in one vocabulary: each person stands in one part, and the parts are
added up before the reader's eyes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mentalspace.console import words
from mentalspace.workflows.doctor import test_mode

# The parts in which `impact.people` counts, the one to act upon first.
_PARTS: Sequence[tuple[str, str]] = (
    ("people_open", "not reached yet"),
    ("people_lost", "not reached, and not tried again"),
    ("people_reached", "reached since"),
    ("people_otherwise", "told another way"),
    ("people_moot", "with nothing to be told any more"),
)
# Of the house, whose trouble delays and refuses nothing.
_LATE: Mapping[str, str] = {"people_lost": "not reached in time", "people_reached": "reached late"}
_ONE_OF: Mapping[str, str] = {"email": "an e-mail", "sms": "a text", "storage": "a copy"}


def parts(impact: Mapping[str, Any], *, late: bool = False) -> list[tuple[int, str]]:
    """Those in which somebody is; their numbers sum to the people touched."""
    said = _LATE if late else {}
    return [(impact[name], said.get(name, text)) for name, text in _PARTS if impact[name]]


def added_up(impact: Mapping[str, Any], *, late: bool = False) -> str:
    """`9 not reached yet + 5 reached since + 1 told another way = 15 people`."""
    if not impact["people"]:
        return "Nobody’s message has failed"
    found = parts(impact, late=late)
    if len(found) == 1:
        number, text = found[0]
        return f"All {number:,} {text}" if number > 1 else words.sentence(text).rstrip(".")
    summed = " + ".join(f"{number:,} {text}" for number, text in found)
    return f"{summed} = {words.count(impact['people'], 'person', 'people')}"


def listed(impact: Mapping[str, Any]) -> str:
    """The same in running text: `9 not reached yet, 5 reached since, 1 told another way`."""
    return ", ".join(f"{number:,} {text}" for number, text in parts(impact))


def switched_off(impact: Mapping[str, Any]) -> str:
    """What switching test mode off does, of an incident of what it refused."""
    said = f"Switched off, {test_mode.switched_off(impact['people_soon'])}."
    if not impact["people"]:
        return said
    refused = words.count(impact["people"], "person was", "people were")
    return f"{said} {refused} refused so far, and nothing goes to them by that."


def due_soon(impact: Mapping[str, Any], integration: str) -> str:
    """`3 more people have a text due in the next 24 hours`; who is touched is not among them."""
    number = impact["people_soon"]
    more = " more" if impact["people"] else ""
    have = "has" if number == 1 else "have"
    return (
        f"{number:,}{more} {'person' if number == 1 else 'people'} {have}"
        f" {_ONE_OF.get(integration, 'a message')} due in the next 24 hours"
    )
