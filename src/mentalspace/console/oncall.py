"""The on-call page: who has it now and next, four weeks ahead, and somebody else for a while."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from starlette.responses import Response

from mentalspace.console.door import Visit
from mentalspace.engine.alarm import ask_test, last_test
from mentalspace.engine.channel_state import read_outside
from mentalspace.engine.oncall import (
    SCHEDULED,
    Rota,
    add_override,
    call_off,
    people_of,
    read_rota,
)
from mentalspace.engine.rota import Layer, next_hand_over, on_call, shifts
from mentalspace.kernel.errors import Refused

WEEKS = 4
LOOK_AHEAD = timedelta(days=366)
_DONE = {
    "asked": "The test is on its way: its result appears here within seconds.",
    "override": "The override is in force.",
    "called_off": "The override is called off; the rotation holds.",
}
_FIELDS = ("layer", "person", "starts", "ends", "reason")


@dataclass(frozen=True, slots=True)
class Turn:
    """Who has a layer now, until when, and who follows. `person` is None where nobody has it."""

    layer: Layer
    person: str | None
    next_person: str | None
    next_at: datetime | None
    is_override: bool


@dataclass(frozen=True, slots=True)
class Duty:
    """A target: its turns, or the settings' addresses where the schedule has nobody."""

    target: str
    turns: tuple[Turn, ...]
    gaps: tuple[tuple[datetime, datetime], ...]
    addresses: int

    @property
    def is_gap(self) -> bool:
        return bool(self.turns) and all(turn.person is None for turn in self.turns)


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the calendar: for each layer who has it, the first of them at its beginning."""

    day: date
    names: tuple[tuple[tuple[str, datetime | None], ...], ...]
    is_today: bool


async def oncall(visit: Visit) -> Response:
    return await _show(visit, done=_DONE.get(visit.query("done")))


async def override(visit: Visit) -> Response:
    """A layer is somebody else's for a while; times are by the clocks of the layer's zone."""
    given = {name: visit.field(name).strip() for name in _FIELDS}
    try:
        async with visit.services.database.as_oncall(visit.person.claims()) as connection:
            rota = await read_rota(connection, await connection.fetchval("select app.now()"))
            layer = next((each for each in rota.layers if str(each.id) == given["layer"]), None)
            if layer is None:
                raise Refused("no_such_layer", "choose a rotation")
            await add_override(
                connection,
                layer.id,
                _id(given["person"]),
                _moment(given["starts"], layer.zone, "from"),
                _moment(given["ends"], layer.zone, "until"),
                reason=given["reason"],
                actor=visit.person.name,
            )
    except Refused as error:
        return await _show(visit, problem=str(error), given=given, http=422)
    return visit.go(f"/on-call?target={layer.target}&done=override")


async def end_override(visit: Visit) -> Response:
    async with visit.services.database.as_oncall(visit.person.claims()) as connection:
        done = await call_off(connection, visit.id(), visit.person.name)
    return visit.go(f"/on-call{'?done=called_off' if done else ''}")


async def test(visit: Visit) -> Response:
    """Have the pager try every way now."""
    async with visit.services.database.as_oncall() as connection:
        await ask_test(connection, visit.person.name)
    return visit.go("/on-call?done=asked#alarm")


async def _show(
    visit: Visit,
    *,
    done: str | None = None,
    problem: str | None = None,
    given: dict[str, str] | None = None,
    http: int = 200,
) -> Response:
    target = visit.query("target") if visit.query("target") in SCHEDULED else SCHEDULED[0]
    # The schedule belongs to the operator: whoever may see incidents may see who answers them.
    async with visit.services.database.as_oncall() as connection:
        now: datetime = await connection.fetchval("select app.now()")
        rota = await read_rota(connection, now)
        people = await people_of(connection)
        tested = await last_test(connection)
        is_set = visit.services.settings.heartbeat_url is not None
        outside = await read_outside(connection, is_set=is_set)
    layers = rota.of(target)
    zone = layers[0].zone if layers else "UTC"
    until = now + timedelta(weeks=WEEKS)
    urls = visit.services.settings.page_urls
    return await visit.show(
        "oncall.html",
        http=http,
        duties=[_duty(rota, each, now, until, len(urls[each])) for each in SCHEDULED],
        target=target,
        targets=SCHEDULED,
        layers=layers,
        all_layers=rota.layers,
        zone_shown=zone,
        weeks=list(_weeks(rota, layers, zone, now)) if layers else [],
        overrides=[o for o in rota.overrides if o.layer_id in {each.id for each in rota.layers}],
        titles={each.id: f"{each.target}, {each.name}" for each in rota.layers},
        names=rota.names,
        people=people,
        tested=tested,
        outside=outside,
        may_write=visit.person.may("oncall.write"),
        done=done,
        problem=problem,
        given=given or dict.fromkeys(_FIELDS, ""),
    )


def _duty(rota: Rota, target: str, now: datetime, until: datetime, addresses: int) -> Duty:
    turns = tuple(_turn(rota, layer, now) for layer in rota.of(target))
    return Duty(target, turns, tuple(rota.gaps(target, now, until)), addresses)


def _turn(rota: Rota, layer: Layer, now: datetime) -> Turn:
    person = on_call(layer, rota.overrides, now)
    current = next(shifts(layer, rota.overrides, now, now + timedelta(seconds=1)))
    following = next_hand_over(layer, rota.overrides, now, LOOK_AHEAD)
    return Turn(
        layer,
        rota.names.get(person) if person else None,
        _name(rota, following.person_id) if following else None,
        following.starts_at if following else None,
        current.override is not None,
    )


def _weeks(rota: Rota, layers: Sequence[Layer], zone: str, now: datetime) -> Iterator[list[Day]]:
    """Four weeks from this week's Monday, by the zone's calendar."""
    today = now.astimezone(ZoneInfo(zone)).date()
    monday = today - timedelta(days=today.weekday())
    for week in range(WEEKS):
        days = [monday + timedelta(days=7 * week + number) for number in range(7)]
        yield [_day(rota, layers, zone, day, day == today) for day in days]


def _day(rota: Rota, layers: Sequence[Layer], zone: str, day: date, is_today: bool) -> Day:
    start = datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)
    names = tuple(
        tuple(
            (_name(rota, shift.person_id), shift.starts_at if shift.starts_at > start else None)
            for shift in shifts(layer, rota.overrides, start, end)
        )
        for layer in layers
    )
    return Day(day, names, is_today)


def _name(rota: Rota, person: UUID | None) -> str:
    return rota.names.get(person, "somebody gone") if person else "nobody"


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Refused("no_such_person", "choose a person") from error


def _moment(text: str, zone: str, which: str) -> datetime:
    try:
        local = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused("not_a_time", f"{which}: give a day and an hour") from error
    if local.tzinfo is None:
        local = local.replace(tzinfo=ZoneInfo(zone))
    return local.astimezone(UTC)
