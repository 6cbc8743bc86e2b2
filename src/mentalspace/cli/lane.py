"""A room's lanes from the command line: paused, held and opened, counted first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from mentalspace.cli.alerts import ACTOR, read_length
from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask
from mentalspace.kernel.errors import Refused

if TYPE_CHECKING:
    from mentalspace.engine.db import Connection
    from mentalspace.engine.remedy import Name, Named
    from mentalspace.engine.services import Services

Where = Annotated[
    str,
    typer.Argument(
        metavar="ROOM[/ENDPOINT]", help="Such as email, or email/mesa; a room is all its practices."
    ),
]
Reason = Annotated[str, typer.Option(help="Why, for whoever is on call next. Name no client.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what it would do now.")]


@dataclass(frozen=True, slots=True)
class _Wish:
    name: Name
    where: str
    reason: str = ""
    minutes: int | None = None
    dry_run: bool = False


def add(app: typer.Typer, make: MakeApplication) -> None:
    lane = typer.Typer(help="A room's lanes, without an incident.", no_args_is_help=True)
    app.add_typer(lane, name="lane")

    def do(wish: _Wish) -> None:
        for line in ask(make(), lambda services: _act(services, wish)):
            print(line)

    @lane.command()
    def pause(
        where: Where,
        lasts: Annotated[str, typer.Option("--for", help="Such as 30min or 4h; 24h at most.")],
        reason: Reason,
        dry_run: DryRun = False,
    ) -> None:
        """Nothing new leaves until then; what waits is kept."""
        minutes = int(read_length(lasts).total_seconds() // 60)
        do(_Wish("pause", where, reason, minutes, dry_run))

    @lane.command()
    def hold(where: Where, reason: Reason, dry_run: DryRun = False) -> None:
        """What is due becomes a dead letter, until a person sends it again."""
        do(_Wish("hold", where, reason, None, dry_run))

    @lane.command("open")
    def open_(where: Where, reason: Reason = "", dry_run: DryRun = False) -> None:
        """Paused lanes run again, and what waits goes."""
        do(_Wish("resume", where, reason, None, dry_run))


async def _act(services: Services, wish: _Wish) -> list[str]:
    """A line or more for each credential. Raises Refused if it could be done with none of them."""
    from mentalspace.engine.remedy import find_named

    room, _, endpoint = wish.where.partition("/")
    lines: list[str] = []
    refused: list[Refused] = []
    async with services.database.as_oncall() as connection:
        every = await find_named(connection, room, endpoint or None)
        for named in every:
            try:
                lines += await _one(services, connection, named, wish)
            except Refused as error:
                refused.append(error)
                lines.append(f"{_place(named)}: left as it is. {error}")
    if len(refused) == len(every):
        raise refused[0]
    return lines


async def _one(services: Services, connection: Connection, named: Named, wish: _Wish) -> list[str]:
    from mentalspace.engine.remedy import act_on_credential, preflight, read_credential
    from mentalspace.engine.remedy.act import Order

    title = services.rooms[named.integration].provider(named.provider).title
    standing = await read_credential(connection, named.credential_id)
    assert standing is not None, "it was found a moment ago"
    looked = preflight(wish.name, standing, lambda _provider: title, None)
    if looked.refusal is not None:
        raise Refused("not_now", looked.refusal)
    would = [f"{_place(named)}: {line}" for line in looked.would]
    if wish.dry_run:
        return would
    order = Order(ACTOR, wish.reason, wish.minutes)
    done = await act_on_credential(
        connection, named.credential_id, wish.name, order, lambda _provider: title
    )
    what = "messages held" if wish.name == "hold" else "lanes"
    return [*would, f"{_place(named)}: done. {looked.title}: {done.count} {what}"]


def _place(named: Named) -> str:
    return f"{named.integration}/{named.endpoint} ({named.practice_name})"
