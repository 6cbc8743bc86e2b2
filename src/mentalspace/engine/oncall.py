"""The on-call schedule: people, rotations and overrides, and who has a target now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record
from mentalspace.engine.rota import Layer, Override, gaps, on_call
from mentalspace.kernel.errors import Refused
from mentalspace.kernel.zones import zones

# The targets that are people. Tickets are a queue, and a drill's channel is nobody's.
SCHEDULED = ("oncall", "cto", "assigned")
LONGEST_OVERRIDE = timedelta(days=90)

_LAYERS = """
select id, target, name, rank, zone, hand_over, every_days, starts_on, ends_on, people
  from oncall_layer where active order by array_position($1::text[], target), rank
"""
_OVERRIDES = """
select o.id, o.layer_id, o.person_id, o.starts_at, o.ends_at, o.made_at, o.made_by, o.reason
  from oncall_override o join oncall_layer l on l.id = o.layer_id and l.active
 where o.called_off_at is null and o.ends_at > $1 order by o.starts_at, o.made_at
"""
_PEOPLE = "select id, name, active from oncall_person order by name"


@dataclass(frozen=True, slots=True)
class Rota:
    """All layers and the overrides that are not over, with everybody's name."""

    layers: tuple[Layer, ...]
    overrides: tuple[Override, ...]
    names: Mapping[UUID, str]

    def of(self, target: str) -> list[Layer]:
        """A target's layers, the one that is paged first first."""
        return [layer for layer in self.layers if layer.target == target]

    def on_call(self, target: str, at: datetime, depth: int = 1) -> list[UUID]:
        """Who has the target at that instant, in the order of its layers: of the first `depth`
        layers that have anybody. Empty where nobody does."""
        found = [on_call(layer, self.overrides, at) for layer in self.of(target)]
        return list(dict.fromkeys([person for person in found if person is not None][:depth]))

    def gaps(
        self, target: str, since: datetime, until: datetime
    ) -> list[tuple[datetime, datetime]]:
        """When the schedule has nobody for a target that it knows; the settings' addresses do."""
        layers = self.of(target)
        return gaps(layers, self.overrides, since, until) if layers else []


@dataclass(frozen=True, slots=True)
class NewLayer:
    target: str
    name: str
    rank: int
    zone: str
    hand_over: time
    every_days: int
    starts_on: date
    ends_on: date | None
    people: Sequence[UUID]


async def read_rota(connection: Connection, since: datetime) -> Rota:
    """The schedule as it stands, with what of the overrides ends after `since`."""
    layers = await connection.fetch(_LAYERS, list(SCHEDULED))
    overrides = await connection.fetch(_OVERRIDES, since)
    people = await connection.fetch(_PEOPLE)
    return Rota(
        tuple(Layer(**{**dict(row), "people": tuple(row["people"])}) for row in layers),
        tuple(Override(**dict(row)) for row in overrides),
        {row["id"]: row["name"] for row in people},
    )


async def add_person(connection: Connection, name: str) -> UUID:
    """Somebody who may be paged; one who is known already stays as they are."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= 80 or not name.isprintable():
        raise Refused("bad_name", "give a name of one line and at most 80 letters")
    person_id: UUID = await connection.fetchval(
        "insert into oncall_person (name) values ($1)"
        " on conflict (name) do update set active = true returning id",
        name,
    )
    return person_id


async def set_layer(connection: Connection, new: NewLayer, actor: str) -> UUID:
    """Put a rotation in force, in the place of the one of that target and rank."""
    await _refuse_bad_layer(connection, new)
    await connection.execute(
        "update oncall_layer set active = false where target = $1 and rank = $2 and active",
        new.target,
        new.rank,
    )
    layer_id: UUID = await connection.fetchval(
        "insert into oncall_layer (target, name, rank, zone, hand_over, every_days, starts_on,"
        " ends_on, people, made_by) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning id",
        new.target,
        new.name,
        new.rank,
        new.zone,
        new.hand_over,
        new.every_days,
        new.starts_on,
        new.ends_on,
        list(new.people),
        actor,
    )
    await record(
        connection,
        "rotation_set",
        data={"target": new.target, "rank": new.rank, "people": len(new.people)},
        actor=actor,
    )
    return layer_id


async def end_layer(connection: Connection, layer_id: UUID, actor: str) -> bool:
    """Take a rotation out of force; False if it was not in it."""
    target = await connection.fetchval(
        "update oncall_layer set active = false where id = $1 and active returning target", layer_id
    )
    if target is not None:
        await record(connection, "rotation_ended", data={"target": target}, actor=actor)
    return target is not None


async def _refuse_bad_layer(connection: Connection, new: NewLayer) -> None:
    if new.target not in SCHEDULED:
        raise Refused("no_such_target", f"target: use {', '.join(SCHEDULED)}")
    if new.zone not in zones():
        raise Refused("no_such_zone", "zone: give an IANA time zone, such as America/New_York")
    if not 1 <= new.every_days <= 366:
        raise Refused("bad_length", "a turn lasts 1 to 366 days; 7 is a week")
    if not 1 <= new.rank <= 9:
        raise Refused("bad_rank", "rank: 1 is paged first, 9 last")
    if not 1 <= len(new.name) <= 80:
        raise Refused("bad_name", "give the rotation a name of at most 80 letters")
    if new.ends_on is not None and new.ends_on <= new.starts_on:
        raise Refused("ends_before_it_begins", "a rotation ends after its first hand-over")
    if not 1 <= len(new.people) <= 50:
        raise Refused("nobody", "people: name 1 to 50, in the order of their turns")
    known = await connection.fetchval(
        "select count(*) from oncall_person where id = any ($1) and active", list(set(new.people))
    )
    if known != len(set(new.people)):
        raise Refused("no_such_person", "people: one of them is not known here; add them first")


async def add_override(
    connection: Connection,
    layer_id: UUID,
    person_id: UUID,
    starts_at: datetime,
    ends_at: datetime,
    *,
    reason: str,
    actor: str,
) -> UUID:
    """Somebody else has the layer for a while. Raises Refused with what is wrong."""
    if ends_at <= starts_at:
        raise Refused("ends_before_it_begins", "an override ends after it begins")
    if ends_at - starts_at > LONGEST_OVERRIDE:
        raise Refused("too_long", f"an override lasts {LONGEST_OVERRIDE.days} days at most")
    if len(reason) > 200:
        raise Refused("bad_reason", "give the reason in at most 200 letters")
    if not await connection.fetchval(
        "select true from oncall_layer where id = $1 and active", layer_id
    ):
        raise Refused("no_such_layer", "there is no such rotation in force")
    if not await connection.fetchval(
        "select true from oncall_person where id = $1 and active", person_id
    ):
        raise Refused("no_such_person", "nobody of that name is known here; add them first")
    override_id: UUID = await connection.fetchval(
        "insert into oncall_override (layer_id, person_id, starts_at, ends_at, reason, made_by)"
        " values ($1, $2, $3, $4, $5, $6) returning id",
        layer_id,
        person_id,
        starts_at,
        ends_at,
        reason,
        actor,
    )
    await record(connection, "override_made", data={"override": str(override_id)}, actor=actor)
    return override_id


async def call_off(connection: Connection, override_id: UUID, actor: str) -> bool:
    """The rotation holds again at once; False if there was no such override in force."""
    done = await connection.fetchval(
        "update oncall_override set called_off_at = app.now(), called_off_by = $2"
        " where id = $1 and called_off_at is null returning true",
        override_id,
        actor,
    )
    if done:
        data = {"override": str(override_id)}
        await record(connection, "override_called_off", data=data, actor=actor)
    return bool(done)


async def people_of(connection: Connection) -> list[Any]:
    """Everybody with their ways to be reached, in order, without any address."""
    return list(
        await connection.fetch(
            "select p.id, p.name, p.active, coalesce(jsonb_agg(jsonb_build_object('id', c.id,"
            " 'kind', c.kind, 'hint', c.hint, 'rank', c.rank) order by c.rank)"
            " filter (where c.id is not null), '[]') as contacts"
            " from oncall_person p left join oncall_contact c on c.person_id = p.id and c.active"
            " where p.active group by p.id order by p.name"
        )
    )
