"""Who is on call when: rotations that hand over by the wall clock of a zone. Pure; no I/O.

A layer always has exactly one person, from its first hand-over until it ends. Where the clocks of
its zone are put forward over the hour of a hand-over, it happens at that very leap; where they are
put back, at the first of the two hours, and once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Layer:
    """`rank` 1 is paged first, 2 is asked too when nobody answered. The people take turns of
    `every_days` days, the first from `starts_on` at `hand_over` by the clocks of `zone`. The layer
    ends with the hand-over of `ends_on`, or never."""

    id: UUID
    target: str
    name: str
    rank: int
    zone: str
    hand_over: time
    every_days: int
    starts_on: date
    ends_on: date | None
    people: tuple[UUID, ...]

    def turn_starts_at(self, number: int) -> datetime:
        """When the turn of that number begins; 0 is the first."""
        return instant(self.starts_on + number * self.every_days * _DAY, self.hand_over, self.zone)

    @property
    def ends_at(self) -> datetime | None:
        return None if self.ends_on is None else instant(self.ends_on, self.hand_over, self.zone)

    def turn_at(self, at: datetime) -> int | None:
        """The number of the turn under way; None before the first and after the end."""
        if self.ends_at is not None and at >= self.ends_at:
            return None
        local = at.astimezone(ZoneInfo(self.zone)).date()
        number = (local - self.starts_on).days // self.every_days
        while number >= 0 and at < self.turn_starts_at(number):
            number -= 1
        while at >= self.turn_starts_at(number + 1):
            number += 1
        return number if number >= 0 else None


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody else has a layer for a while. Of several, the one made last holds."""

    id: UUID
    layer_id: UUID
    person_id: UUID
    starts_at: datetime
    ends_at: datetime
    made_at: datetime
    made_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Shift:
    """One stretch of one layer: `person_id` is None where nobody has it."""

    layer: Layer
    person_id: UUID | None
    starts_at: datetime
    ends_at: datetime
    override: Override | None = None


def on_call(layer: Layer, overrides: Sequence[Override], at: datetime) -> UUID | None:
    """Who has the layer at that instant; None where nobody does."""
    if (override := _override_at(layer, overrides, at)) is not None:
        return override.person_id
    return _by_turn(layer, at)


def shifts(
    layer: Layer, overrides: Sequence[Override], since: datetime, until: datetime
) -> Iterator[Shift]:
    """The layer from `since` to `until` without a hole: each stretch with who has it, or nobody."""
    own = [o for o in overrides if o.layer_id == layer.id]
    edges = sorted({since, until, *_edges(layer, own, since, until)})
    pending: Shift | None = None
    for start, end in pairwise(edges):
        override = _override_at(layer, own, start)
        person = override.person_id if override else _by_turn(layer, start)
        if pending and (pending.person_id, pending.override) == (person, override):
            pending = Shift(layer, person, pending.starts_at, end, override)
            continue
        if pending:
            yield pending
        pending = Shift(layer, person, start, end, override)
    if pending:
        yield pending


def next_hand_over(
    layer: Layer, overrides: Sequence[Override], at: datetime, within: timedelta
) -> Shift | None:
    """The stretch that follows the one under way; None if it lasts longer than `within`."""
    return next((s for s in shifts(layer, overrides, at, at + within) if s.starts_at > at), None)


def gaps(
    layers: Sequence[Layer], overrides: Sequence[Override], since: datetime, until: datetime
) -> list[tuple[datetime, datetime]]:
    """When nobody at all has a target, in order: `layers` are all of one target's."""
    edges = {since, until}
    for layer in layers:
        edges.update(_edges(layer, overrides, since, until))
    found: list[tuple[datetime, datetime]] = []
    for start, end in pairwise(sorted(edges)):
        if any(on_call(layer, overrides, start) is not None for layer in layers):
            continue
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def instant(day: date, wall: time, zone: str) -> datetime:
    """When the clocks of a zone reach that hour of that day, in UTC: the first time they show it
    or, where they leap over it, the leap itself."""
    local = datetime.combine(day, wall, ZoneInfo(zone))
    first = local.astimezone(UTC)
    if first.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local.replace(tzinfo=None):
        return first
    # Leapt over: read with the offset before it lies behind the leap, with the one after, before.
    return _leap(local.replace(fold=1).astimezone(UTC), first, zone)


def _leap(before: datetime, after: datetime, zone: str) -> datetime:
    """The second in which the offset changes; it lies after `before` and not after `after`."""
    there = ZoneInfo(zone)
    offset = before.astimezone(there).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(there).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


def _by_turn(layer: Layer, at: datetime) -> UUID | None:
    number = layer.turn_at(at)
    if number is None or not layer.people:
        return None
    return layer.people[number % len(layer.people)]


def _override_at(layer: Layer, overrides: Sequence[Override], at: datetime) -> Override | None:
    held = [o for o in overrides if o.layer_id == layer.id and o.starts_at <= at < o.ends_at]
    return max(held, key=lambda o: (o.made_at, o.id), default=None)


def _edges(
    layer: Layer, overrides: Sequence[Override], since: datetime, until: datetime
) -> Iterator[datetime]:
    """Every instant between the two at which somebody else may begin."""
    for override in overrides:
        if override.layer_id == layer.id:
            yield from (e for e in (override.starts_at, override.ends_at) if since < e < until)
    if layer.ends_at is not None and since < layer.ends_at < until:
        yield layer.ends_at
    number = max(0, layer.turn_at(since) or 0)
    while (start := layer.turn_starts_at(number)) < until:
        if start > since:
            yield start
        number += 1
