"""What several incidents have to do with each other: both ways out of a practice are out, or our
own way out strikes several providers at once. Whom they touch together is counted once."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.pulse import LOCKED
from mentalspace.engine.services import Services
from mentalspace.workflows.impact.about import About, about_of
from mentalspace.workflows.impact.counted import Asked, read_joint

# Whoever looks waits no longer for all sums together.
_WITHIN_S = 1.0

# What a recipient's own fault befalls is no way that is out. Whoever may not see the incident that
# leads one sees that one by itself.
_INCIDENTS = """
select i.id, coalesce(l.id, i.id) as top_id, coalesce(l.title, i.title) as title, i.rule_id,
       i.fault, i.integration, i.practice_id, i.credential_id, i.since,
       least(i.recovered_at, i.resolved_at) as over_at,
       c.provider, c.endpoint, c.drill as kept_apart, p.name as practice
  from incident i join credential c on c.id = i.credential_id
  join practice p on p.id = i.practice_id
  left join incident l on l.id = i.lead_id
 where i.drill is not distinct from $1 and i.fault <> 'recipient' and {when}
 order by i.opened_at, i.id
"""
_OPEN = _INCIDENTS.format(when="i.status <> 'resolved' and i.recovered_at is null")
# At the same practices, in the same room, while one lasted that is over.
_THEN = _INCIDENTS.format(
    when="i.practice_id = any ($2) and i.integration = $3 and i.since < $5"
    " and coalesce(least(i.recovered_at, i.resolved_at), 'infinity') > $4"
)
_WAYS = """
select practice_id, count(*) as ways from credential
 where practice_id = any ($1) and integration = $2 and active and not test_only
   and drill is not distinct from $3
 group by 1
"""
# By whom anything was taken at a practice after all of its failing ways had begun to fail.
_LEAVES = """
select c.provider, max(took.at) as at
  from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[])
       as place (practice_id, since, until)
  join credential c on c.practice_id = place.practice_id and c.integration = $4
   and c.drill is not distinct from $5
 cross join lateral (
   select a.finished_at as at from attempt a
    where a.credential_id = c.id and a.state = 'succeeded' and a.purpose = 'send'
      and a.finished_at > place.since and a.finished_at <= coalesce(place.until, 'infinity')
    order by a.finished_at desc limit 1) took
 group by 1 order by 2 desc
"""


@dataclass(frozen=True, slots=True)
class Linked:
    """One of several incidents; `provider` is its title."""

    id: UUID
    title: str
    integration: str
    provider: str

    @property
    def name(self) -> str:
        return named(self.title, self.provider)


@dataclass(frozen=True, slots=True)
class Summed:
    """Whom several incidents touch together, each once: `by_room` counts again who is in two."""

    people: int
    people_left: int
    practices: int
    next_at: datetime | None
    by_room: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Together:
    """Several `incidents`, and one way or one cause: `ways`, where a practice has several and each
    of `out` fails of `of`; `way_out` where it is our own. `ids` are these and whom they lead;
    `practice` is its name where it is one. `sum` is None where it could not be counted in time.
    `leaves` says by whom messages are taken all the same, and when the last was; `is_over` if it
    is told of the past."""

    kind: Literal["ways", "way_out"]
    incidents: Sequence[Linked]
    ids: frozenset[UUID]
    practices: int
    integration: str | None = None
    practice: str | None = None
    out: int = 0
    of: int = 0
    sum: Summed | None = None
    leaves: Sequence[tuple[str, datetime]] = ()
    is_over: bool = False

    def others(self, id_: UUID) -> list[Linked]:
        return [one for one in self.incidents if one.id != id_]


@dataclass(frozen=True, slots=True)
class Silent:
    """Providers, each with its room, of which several fell silent at once; `credentials`, each with
    its room, through which they were called of late."""

    providers: frozenset[tuple[str, str]]
    credentials: Mapping[UUID, str]
    since: datetime


class WayOut(Protocol):
    """What is read of the doctor's."""

    @property
    def silent(self) -> Silent: ...


@dataclass(frozen=True, slots=True)
class _Relation:
    """`members` are rows of `_INCIDENTS`, and `abouts` what their rules count. Of `credentials` no
    incident tells yet; each is of a room, and silent since then."""

    kind: Literal["ways", "way_out"]
    members: Sequence[Any]
    abouts: Mapping[str, About]
    credentials: Mapping[UUID, str] = field(default_factory=dict)
    since: datetime | None = None

    @property
    def ids(self) -> frozenset[UUID]:
        """With whoever leads one of them, from another practice perhaps."""
        return frozenset(row[name] for row in self.members for name in ("id", "top_id"))


def named(title: str, provider: str | None) -> str:
    """`Five mails in a row failed: Resend`; a title that names its provider stays as it is."""
    return title if provider is None or provider in title else f"{title}: {provider}"


def provider_title(services: Services, integration: str, provider: str) -> str:
    """Its name where there is no such provider any more."""
    room = services.rooms.get(integration)
    titles = {one.name: one.title for one in room.providers} if room else {}
    return titles.get(provider, provider)


async def read_all_together(
    connection: Connection, services: Services, way_out: WayOut | None = None
) -> list[Together]:
    """Of everything that is open and lasts, as far as whoever reads may see it."""
    rows = await connection.fetch(_OPEN, None)
    return await _all_told(connection, services, _relations(services, rows, way_out))


async def read_together(
    connection: Connection, services: Services, incident: Any, way_out: WayOut | None = None
) -> list[Together]:
    """What one incident has to do with others: of one that is over, with those of its time. One
    that is led by another is told of at its own practice alone."""
    if incident["credential_id"] is None:
        return []
    over_at = min(filter(None, (incident["recovered_at"], incident["resolved_at"])), default=None)
    if over_at is None:
        rows = await connection.fetch(_OPEN, incident["drill"])
    else:
        rows = await _of_its_time(connection, incident, over_at)
    if incident["lead_id"] is not None:
        rows = [
            {**row, "top_id": row["id"]}
            for row in rows
            if row["practice_id"] == incident["practice_id"]
        ]
    lasts = over_at is None and incident["drill"] is None
    found = _relations(services, rows, way_out if lasts else None)
    own = [one for one in found if incident["id"] in one.ids]
    told = await _all_told(connection, services, own)
    return [replace(one, is_over=over_at is not None) for one in told]


async def _of_its_time(connection: Connection, incident: Any, over_at: datetime) -> list[Any]:
    """With whom it leads, as far as they have something in common with it."""
    led = await connection.fetch(
        "select practice_id from incident where id = $1 or lead_id = $1", incident["id"]
    )
    practices = [row["practice_id"] for row in led]
    found = await connection.fetch(
        _THEN, incident["drill"], practices, incident["integration"], incident["since"], over_at
    )
    return list(found)


# What belongs together -------------------------------------------------------------------------


def _relations(services: Services, rows: Sequence[Any], way_out: WayOut | None) -> list[_Relation]:
    """Our way out first; what it explains altogether is not told of a practice's ways again."""
    rules = {row["rule_id"] for row in rows}
    abouts = {rule: about_of(services.runbooks, rule) for rule in rules}
    ours = [_of_way_out(rows, abouts, way_out.silent)] if way_out is not None else []
    struck = {id_ for relation in ours for id_ in relation.ids}
    return [*ours, *(one for one in _of_ways(rows, abouts) if not one.ids <= struck)]


def _of_way_out(rows: Sequence[Any], abouts: Mapping[str, About], silent: Silent) -> _Relation:
    """Whatever lasts of the silent providers, and those of their credentials that have only just
    failed."""
    members = [
        row
        for row in rows
        if (row["integration"], row["provider"]) in silent.providers
        and row["fault"] != "ours"
        and abouts[row["rule_id"]].lanes
    ]
    told = {row["credential_id"] for row in members}
    untold = {id_: room for id_, room in silent.credentials.items() if id_ not in told}
    return _Relation("way_out", members, abouts, untold, silent.since)


def _of_ways(rows: Sequence[Any], abouts: Mapping[str, About]) -> Iterator[_Relation]:
    """Practices of which more than one way of a room fails, by the incidents that tell of it."""
    places: defaultdict[tuple[UUID, str], list[Any]] = defaultdict(list)
    for row in rows:
        about = abouts[row["rule_id"]]
        if about.lanes and about.kind != "late":
            places[row["practice_id"], row["integration"]].append(row)
    alike: defaultdict[tuple[str, frozenset[UUID]], list[Any]] = defaultdict(list)
    for (_practice, room), found in places.items():
        if len({row["credential_id"] for row in found}) > 1:
            alike[room, frozenset(row["top_id"] for row in found)] += found
    for members in alike.values():
        yield _Relation("ways", members, abouts)


# Told -------------------------------------------------------------------------------------------


async def _all_told(
    connection: Connection, services: Services, found: Sequence[_Relation]
) -> list[Together]:
    ends = time.monotonic() + _WITHIN_S
    return [
        replace(
            await _told(connection, services, relation), sum=await _sum(connection, relation, ends)
        )
        for relation in found
    ]


async def _told(connection: Connection, services: Services, relation: _Relation) -> Together:
    practices = {row["practice_id"]: row["practice"] for row in relation.members}
    tops = {row["top_id"]: row for row in relation.members}
    told = Together(
        kind=relation.kind,
        incidents=_linked(services, tops),
        ids=relation.ids,
        practices=len(practices),
        practice=next(iter(practices.values())) if len(practices) == 1 else None,
    )
    return await _with_ways(connection, services, relation, told) if told.kind == "ways" else told


def _linked(services: Services, tops: Mapping[UUID, Any]) -> list[Linked]:
    """What two credentials of one provider are told of alike bears their names."""
    alike = Counter((row["provider"], row["title"]) for row in tops.values())
    found = []
    for id_, row in tops.items():
        provider = provider_title(services, row["integration"], row["provider"])
        if alike[row["provider"], row["title"]] > 1:
            provider = f"{provider} ({row['endpoint']})"
        found.append(Linked(id_, row["title"], row["integration"], provider))
    return found


async def _with_ways(
    connection: Connection, services: Services, relation: _Relation, told: Together
) -> Together:
    """How many ways there are, and what leaves since all of those that fail do."""
    first = relation.members[0]
    room, apart = first["integration"], first["kept_apart"]
    begun, ended = _spans(relation.members)
    practices = list(begun)
    rows = await connection.fetch(_WAYS, practices, room, apart)
    ways = {row["practice_id"]: row["ways"] for row in rows}
    out: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for row in relation.members:
        out[row["practice_id"]].add(row["credential_id"])
    # Of several practices the one that is struck least: more is not said of all of them.
    left = {practice: max(0, ways.get(practice, 0) - len(out[practice])) for practice in practices}
    least = max(practices, key=lambda practice: left[practice])
    leaves = await connection.fetch(
        _LEAVES, practices, [begun[p] for p in practices], [ended[p] for p in practices], room,
        apart,
    )  # fmt: skip
    return replace(
        told,
        integration=room,
        out=len(out[least]),
        of=len(out[least]) + left[least],
        leaves=[(provider_title(services, room, row["provider"]), row["at"]) for row in leaves],
    )


def _spans(
    members: Sequence[Any],
) -> tuple[Mapping[UUID, datetime], Mapping[UUID, datetime | None]]:
    """By practice: since when all of its ways that fail have failed, and until the first was well
    again, None while none is."""
    first: dict[tuple[UUID, UUID], datetime] = {}
    over: defaultdict[UUID, list[datetime]] = defaultdict(list)
    for row in members:
        way = row["practice_id"], row["credential_id"]
        first[way] = min(row["since"], first.get(way, row["since"]))
        if row["over_at"] is not None:
            over[row["practice_id"]].append(row["over_at"])
    begun: dict[UUID, datetime] = {}
    for (practice, _credential), since in first.items():
        begun[practice] = max(since, begun.get(practice, since))
    return begun, {practice: min(over[practice], default=None) for practice in begun}


async def _sum(connection: Connection, relation: _Relation, ends: float) -> Summed | None:
    """By the very query of the incidents' own pages."""
    asked = [
        Asked(row["id"], row["integration"], relation.abouts[row["rule_id"]])
        for row in relation.members
    ]
    asked += [
        Asked(id_, room, About(), relation.since) for id_, room in relation.credentials.items()
    ]
    try:
        async with connection.transaction():
            left_ms = max(1, int((ends - time.monotonic()) * 1000))
            await connection.execute(f"set local statement_timeout = {left_ms}")
            counted = await read_joint(connection, asked)
            await connection.execute("set local statement_timeout = default")
    except LOCKED:
        return None
    whole = counted[None]
    return Summed(
        whole["people"],
        whole["people_left"],
        whole["practices"],
        whole["next_appointment_at"],
        {room: row["people"] for room, row in sorted(counted.items(), key=_most) if room},
    )


def _most(counted: tuple[str | None, Any]) -> int:
    return -int(counted[1]["people"])
