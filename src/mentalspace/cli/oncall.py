"""Commands of the on-call schedule: who has it, rotations, overrides, people and their ways."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask
from mentalspace.cli.table import table
from mentalspace.kernel.errors import Refused

if TYPE_CHECKING:
    from mentalspace.engine.db import Connection
    from mentalspace.engine.oncall import Rota
    from mentalspace.engine.services import Services

ACTOR = "command line"


def add(app: typer.Typer, make: MakeApplication) -> None:
    oncall = typer.Typer(help="Who is on call, and how they are reached.", no_args_is_help=True)
    app.add_typer(oncall, name="oncall")

    @oncall.callback()
    def _() -> None: ...

    @oncall.command()
    def show(
        days: Annotated[int, typer.Option(help="How far ahead.", min=1, max=92)] = 28,
    ) -> None:
        """Who has each target now, every hand-over to come, and where nobody has it.

        Exits with 1 if there is a gap.
        """
        lines, whole = ask(make(), lambda services: _show(services, days))
        print("\n".join(lines))
        raise typer.Exit(0 if whole else 1)

    @oncall.command()
    def person(name: str) -> None:
        """Somebody who may be paged; they need no log-in."""
        ask(make(), lambda services: _as_oncall(services, lambda c: _person(c, name)))
        print(f"{name} may be paged; give a way with: mentalspace oncall contact '{name}' KIND")

    @oncall.command()
    def contact(
        name: Annotated[str, typer.Argument(metavar="PERSON")],
        kind: Annotated[str, typer.Argument(help="apprise, pagerduty, email or sms.")],
    ) -> None:
        """One more way to reach somebody, after those there are.

        The address is asked for, or read from standard input: it may be a secret.
        """
        address = _secret("Address")
        ask(make(), lambda services: _contact(services, name, kind, address))
        print("sealed; try it with: mentalspace alarm test")

    @oncall.command()
    def forget(
        name: Annotated[str, typer.Argument(metavar="PERSON")],
        rank: Annotated[int, typer.Argument(help="Which of their ways; 1 is the first.")],
    ) -> None:
        """Remove one way to reach somebody; its address is deleted."""
        done = ask(make(), lambda services: _as_oncall(services, lambda c: _forget(c, name, rank)))
        print("removed" if done else "there was none of that rank")

    @oncall.command()
    def rotate(
        target: Annotated[str, typer.Argument(help="oncall, cto or assigned.")],
        people: Annotated[list[str], typer.Argument(help="In the order of their turns.")],
        zone: Annotated[str, typer.Option(help="Such as America/New_York.")] = "UTC",
        at: Annotated[str, typer.Option(help="Hour of the hand-over, such as 09:00.")] = "09:00",
        every: Annotated[int, typer.Option(help="Days of a turn; 7 is a week.")] = 7,
        starts: Annotated[
            str | None, typer.Option("--from", help="Day of the first hand-over; today if none.")
        ] = None,
        ends: Annotated[str | None, typer.Option("--until", help="Day of its end.")] = None,
        rank: Annotated[int, typer.Option(help="1 is paged first, 2 when nobody answers.")] = 1,
        name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    ) -> None:
        """Put a rotation in force, in the place of the target's one of that rank."""

        async def put(services: Services) -> None:
            from mentalspace.engine.oncall import NewLayer, set_layer

            today = services.clock.now().astimezone(_zone(zone)).date()
            async with services.database.as_oncall() as connection:
                known = await _known(connection)
                new = NewLayer(
                    target=target,
                    name=name or ("First" if rank == 1 else f"Layer {rank}"),
                    rank=rank,
                    zone=zone,
                    hand_over=_hour(at),
                    every_days=every,
                    starts_on=_day(starts) if starts else today,
                    ends_on=_day(ends) if ends else None,
                    people=[_one(known, each) for each in people],
                )
                await set_layer(connection, new, ACTOR)

        ask(make(), put)
        print("in force; look at it with: mentalspace oncall show")

    @oncall.command()
    def override(
        target: Annotated[str, typer.Argument(help="oncall, cto or assigned.")],
        name: Annotated[str, typer.Argument(metavar="PERSON")],
        starts: Annotated[str, typer.Option("--from", help="2026-11-28T18:00, rotation's zone.")],
        ends: Annotated[str, typer.Option("--until", help="The same.")],
        rank: Annotated[int, typer.Option(help="Of the rotation.")] = 1,
        reason: Annotated[str, typer.Option(help="For colleagues.")] = "",
    ) -> None:
        """Somebody else has a rotation for a while."""
        ask(
            make(),
            lambda services: _override(services, target, name, starts, ends, rank, reason),
        )
        print("in force")


async def _as_oncall(services: Services, work: Callable[[Connection], Awaitable[Any]]) -> Any:
    async with services.database.as_oncall() as connection:
        return await work(connection)


async def _show(services: Services, days: int) -> tuple[list[str], bool]:
    from mentalspace.engine.oncall import SCHEDULED, read_rota

    now = services.clock.now()
    async with services.database.as_oncall() as connection:
        rota = await read_rota(connection, now)
    until = now + timedelta(days=days)
    lines: list[str] = []
    for target in SCHEDULED:
        lines += _target_lines(rota, target, now, until)
    gaps = [gap for target in SCHEDULED for gap in rota.gaps(target, now, until)]
    return lines, not gaps


def _target_lines(rota: Rota, target: str, now: datetime, until: datetime) -> list[str]:
    from mentalspace.engine.rota import shifts

    if not rota.of(target):
        return [f"{target}: no rotation; pages go to the settings' addresses", ""]
    lines = []
    for layer in rota.of(target):
        zone = ZoneInfo(layer.zone)
        lines.append(f"{target} {layer.rank}, {layer.name}, by the clocks of {layer.zone}")
        rows = [
            (
                f"{shift.starts_at.astimezone(zone):%a %Y-%m-%d %H:%M}",
                f"{shift.ends_at.astimezone(zone):%a %Y-%m-%d %H:%M}",
                rota.names.get(shift.person_id, "?") if shift.person_id else "NOBODY",
                "override" if shift.override else "",
            )
            for shift in shifts(layer, rota.overrides, now, until)
        ]
        lines.append(table(("From", "Until", "Who", ""), rows))
    for start, end in rota.gaps(target, now, until):
        lines.append(f"GAP: nobody from {start:%Y-%m-%d %H:%M} until {end:%Y-%m-%d %H:%M} UTC")
    return [*lines, ""]


async def _person(connection: Connection, name: str) -> None:
    from mentalspace.engine.oncall import add_person

    await add_person(connection, name)


async def _contact(services: Services, name: str, kind: str, address: str) -> None:
    from mentalspace.engine.channel import add_contact

    async with services.database.as_oncall() as connection:
        person_id = _one(await _known(connection), name)
        await add_contact(connection, services.vault, person_id, kind, address)


async def _forget(connection: Connection, name: str, rank: int) -> bool:
    from mentalspace.engine.channel import remove_contact

    contact_id = await connection.fetchval(
        "select c.id from oncall_contact c where c.person_id = $1 and c.rank = $2 and c.active",
        _one(await _known(connection), name),
        rank,
    )
    return contact_id is not None and await remove_contact(connection, contact_id)


async def _override(
    services: Services, target: str, name: str, starts: str, ends: str, rank: int, reason: str
) -> None:
    from mentalspace.engine.oncall import add_override, read_rota

    async with services.database.as_oncall() as connection:
        rota = await read_rota(connection, services.clock.now())
        layer = next((each for each in rota.of(target) if each.rank == rank), None)
        if layer is None:
            raise Refused("no_such_layer", f"{target} has no rotation of rank {rank}")
        person_id = _one(await _known(connection), name)
        first, last = _moment(starts, layer.zone), _moment(ends, layer.zone)
        await add_override(connection, layer.id, person_id, first, last, reason=reason, actor=ACTOR)


async def _known(connection: Connection) -> dict[str, UUID]:
    rows = await connection.fetch("select name, id from oncall_person where active")
    return {row["name"].casefold(): row["id"] for row in rows}


def _one(known: dict[str, UUID], name: str) -> UUID:
    """Whoever has that name, or alone has a name that begins so."""
    name = name.casefold()
    found = [known[name]] if name in known else [i for n, i in known.items() if n.startswith(name)]
    if len(found) != 1:
        raise Refused("no_such_person", f"{name!r} is nobody's, or several people's; see show")
    return found[0]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError) as error:
        raise Refused("no_such_zone", "give an IANA time zone, such as America/New_York") from error


def _hour(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError as error:
        raise Refused("not_an_hour", f"{text!r} is no hour; write it as 09:00") from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Refused("not_a_day", f"{text!r} is no day; write it as 2026-11-23") from error


def _moment(text: str, zone: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused("not_a_time", f"{text!r}: write it as 2026-11-28T18:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))


def _secret(what: str) -> str:
    if sys.stdin.isatty():
        given: str = typer.prompt(what, hide_input=True)
        return given
    return sys.stdin.readline().rstrip("\n")
