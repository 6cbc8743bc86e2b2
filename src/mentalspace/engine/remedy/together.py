"""One act for all of a group: what it would do everywhere, then the act wherever it may be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.remedy.act import Order, act
from mentalspace.engine.remedy.preflight import NAMES, Name, Preflight, Title, preflight
from mentalspace.engine.remedy.standing import Standing, read_standing
from mentalspace.engine.runbook import Price
from mentalspace.kernel.errors import Refused

# Of so many practices the page that leads says what the act would do.
MOST_SHOWN = 5
# What the first number of a button counts.
_COUNTED: Mapping[str, str] = {
    "waiting": "due and not sent yet",
    "held_safe": "held and of use",
    "movable": "due that surely have not left",
}
# An order that says too little is refused for all of them.
_OF_THE_ORDER = frozenset({"reason_missing", "reason_unusable", "expiry_missing"})


@dataclass(frozen=True, slots=True)
class One:
    """A member of the group, and the name of its practice."""

    name: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class DoneTogether:
    """`count` of lanes or messages at so many `places`; the others had refused."""

    count: int
    places: int
    refused: int


async def read_all(connection: Connection, members: Sequence[tuple[UUID, str]]) -> list[One]:
    """As on-call, of each incident with its practice's name; without those of no credential."""
    found = [(name, await read_standing(connection, id_)) for id_, name in members]
    return [One(name, standing) for name, standing in found if standing is not None]


def preflights_together(every: Sequence[One], title: Title, price: Price | None) -> list[Preflight]:
    """Each button as for one, with what it would do where, the sum first."""
    return [_together(name, every, title, price) for name in NAMES]


def _together(name: Name, every: Sequence[One], title: Title, price: Price | None) -> Preflight:
    looks = [(one.name, preflight(name, one.standing, title, price)) for one in every]
    able = [(where, look) for where, look in looks if look.refusal is None]
    if not able:
        done = any(look.already for _where, look in looks)
        first = next(look for _where, look in looks if look.already is done)
        return replace(first, refusal=_nowhere(looks), already=done)
    first = able[0][1]
    numbers = {key: sum(look.numbers[key] for _w, look in able) for key in first.numbers}
    counted = next(iter(numbers.values()), 0)
    what = f"{counted:,} message{'' if counted == 1 else 's'} {_COUNTED[next(iter(numbers))]}"
    head = f"At {len(able):,} of {len(every):,} credentials of the group: {what}."
    lines = [f"{where}: {look.would[0]}" for where, look in able[:MOST_SHOWN]]
    if len(able) > MOST_SHOWN:
        lines.append(f"And so on at {len(able) - MOST_SHOWN:,} more.")
    safe = all(look.safe for _where, look in able)
    return replace(first, would=(head, *lines), numbers=numbers, safe=safe)


def _nowhere(looks: Sequence[tuple[str, Preflight]]) -> str:
    """Why it cannot be done at any of them; where it is done already, that first."""
    if len({look.refusal for _where, look in looks}) == 1:
        return looks[0][1].refusal or ""
    told = sorted(looks, key=lambda one: not one[1].already)
    said = [f"{where}: {look.refusal}" for where, look in told[:MOST_SHOWN]]
    if len(told) > MOST_SHOWN:
        said.append(f"And so on at {len(told) - MOST_SHOWN:,} more.")
    return " ".join(said)


async def act_together(
    connection: Connection, members: Sequence[UUID], name: Name, order: Order, title: Title = str
) -> DoneTogether:
    """As on-call, in the caller's transaction, wherever the preflight allows it. Raises Refused if
    the order says too little, or if it can be done nowhere; then nothing has changed."""
    count = places = refused = 0
    why: Refused | None = None
    for incident_id in members:
        try:
            count += (await act(connection, incident_id, name, order, title)).count
            places += 1
        except Refused as error:
            if error.code in _OF_THE_ORDER:
                raise
            why, refused = error, refused + 1
    if not places:
        raise why or Refused("nothing_to_act_on", "no credential is behind it")
    return DoneTogether(count, places, refused)
