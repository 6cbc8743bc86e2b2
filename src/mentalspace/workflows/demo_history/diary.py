"""A made-up practice's calendar: ninety days behind, thirty ahead, on its own clock.

Seven clients share one hour of one clinician's week, some coming often and some seldom, so that
nobody is booked twice and any number of clients can follow later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from mentalspace.workflows.demo_history.cast import Client, clinician_of, made_id, marked

BEHIND, AHEAD = timedelta(days=90), timedelta(days=30)
SHARE = 7
OFTEN = (9, 5, 3, 2, 1, 1, 1)  # how often each of them comes, in proportion
HOURS = (8, 9, 10, 11, 13, 14, 15, 16)
WEEKDAYS = 5
WEEK_HOURS = WEEKDAYS * len(HOURS)
TEAM = 3  # clinicians whose weeks are filled side by side
# How many in a hundred.
FREE, MOVED, CANCELLED = 12, 6, 5
# Later than this before the hour, nothing is booked, moved or cancelled.
LATEST = timedelta(hours=3)
JUST_NOW = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Change:
    """Moved or cancelled at that moment; until then it was to begin at `before`."""

    at: datetime
    kind: Literal["updated", "cancelled"]
    before: datetime


@dataclass(frozen=True, slots=True)
class Booking:
    """One appointment and its history. `starts_at` is what holds at last."""

    id: UUID
    external_id: str
    client: Client
    clinician_email: str
    starts_at: datetime
    duration_min: int
    booked_at: datetime
    changes: tuple[Change, ...]

    @property
    def status(self) -> str:
        cancelled = any(change.kind == "cancelled" for change in self.changes)
        return "cancelled" if cancelled else "scheduled"

    @property
    def version(self) -> int:
        return 1 + len(self.changes)


def bookings(
    slug: str, seed: int, clients: Sequence[Client], zone: ZoneInfo, now: datetime
) -> Iterator[Booking]:
    """Those of these clients; who else shares their hours does not matter to them."""
    by_group: dict[int, dict[int, Client]] = {}
    for client in clients:
        group, place = divmod(client.place, SHARE)
        by_group.setdefault(group, {})[place] = client
    for group, members in by_group.items():
        yield from _of_group(slug, seed, group, members, zone, now)


def _of_group(
    slug: str, seed: int, group: int, members: dict[int, Client], zone: ZoneInfo, now: datetime
) -> Iterator[Booking]:
    random = Random(f"{seed}/group/{group}")
    team, slot = divmod(group // TEAM, WEEK_HOURS)
    clinician = clinician_of(seed, team * TEAM + group % TEAM)
    weekday, hour = slot % WEEKDAYS, HOURS[slot // WEEKDAYS]
    minute = random.choice((0, 0, 0, 30))
    often = random.sample(OFTEN, SHARE)
    for at in _weeks(weekday, hour, minute, zone, now):
        # Drawn for everybody, so that nobody's history hangs on who else is wanted.
        (place,) = random.choices(range(SHARE), often)
        free = random.randrange(100) < FREE
        own = Random(f"{seed}/appointment/{group}/{at:%Y%m%d}")
        if not free and place in members:
            yield _booking(slug, seed, members[place], clinician, at, zone, now, own)


def _weeks(
    weekday: int, hour: int, minute: int, zone: ZoneInfo, now: datetime
) -> Iterator[datetime]:
    today = now.astimezone(zone).replace(hour=hour, minute=minute, second=0, microsecond=0)
    day = today - BEHIND
    day += timedelta(days=(weekday - day.weekday()) % 7)
    while day <= today + AHEAD:
        yield day.astimezone(UTC)
        day += timedelta(days=7)


def _booking(
    slug: str,
    seed: int,
    client: Client,
    clinician: str,
    starts_at: datetime,
    zone: ZoneInfo,
    now: datetime,
    random: Random,
) -> Booking:
    latest = min(starts_at - LATEST, now - JUST_NOW)
    booked_at = _office_hour(starts_at - _notice(random), zone, random)
    if booked_at > latest:  # it has been booked, so it was not then
        booked_at = _office_hour(latest - timedelta(days=random.randint(1, 10)), zone, random)
    changes: list[Change] = []
    first = starts_at
    if random.randrange(100) < MOVED:
        first = starts_at + random.choice((-2, -1, 1, 2)) * timedelta(days=1)
        latest = min(latest, first - LATEST)
        if latest - booked_at > timedelta(hours=2):
            at = _between(booked_at, latest, random)
            changes.append(Change(at, "updated", first))
    since = changes[-1].at if changes else booked_at
    if random.randrange(100) < CANCELLED and latest - since > timedelta(hours=2):
        changes.append(Change(_between(since, latest, random), "cancelled", starts_at))
    return Booking(
        id=made_id(slug, seed, "appointment", client.place, starts_at),
        external_id=f"{marked(seed)}{client.place:05}-{starts_at:%Y%m%d}",
        client=client,
        clinician_email=clinician,
        starts_at=starts_at,
        duration_min=random.choice((30, 50, 50, 50)),
        booked_at=booked_at,
        changes=tuple(changes),
    )


def _notice(random: Random) -> timedelta:
    """How long ahead an appointment is made: weeks, days, or at the last moment."""
    shortest, longest = random.choice(((1, 3), (3, 14), (3, 14), (14, 28)))
    return timedelta(days=random.randint(shortest, longest))


def _office_hour(at: datetime, zone: ZoneInfo, random: Random) -> datetime:
    local = at.astimezone(zone)
    local -= timedelta(days=max(0, local.weekday() - 4))  # a weekend's call comes on Friday
    local = local.replace(hour=random.randint(8, 16), minute=random.randrange(60))
    return local.replace(second=random.randrange(60)).astimezone(UTC)


def _between(earliest: datetime, latest: datetime, random: Random) -> datetime:
    span = latest - earliest
    return (earliest + span * random.uniform(0.2, 0.8)).replace(microsecond=0)
