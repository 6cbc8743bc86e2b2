"""A credential's former secret from the command line: brought back, or wiped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from mentalspace.cli.actor import login_actor, on_call_actor
from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask
from mentalspace.cli.chosen import chosen_of, endpoint_in
from mentalspace.kernel.errors import Refused

if TYPE_CHECKING:
    from uuid import UUID

    from mentalspace.engine.services import Services
    from mentalspace.kernel.integration import Integration, Provider
    from mentalspace.workflows.former_secret import Wish

Room = Annotated[str, typer.Argument(help="Such as email.")]
Practice = Annotated[str, typer.Option(help="Slug or id.")]
ProviderName = Annotated[str | None, typer.Option(help="Else the room's first.")]
By = Annotated[
    str | None,
    typer.Option(
        "--by", metavar="EMAIL", help="Who of those on call does it; else who is logged in here."
    ),
]


@dataclass(frozen=True, slots=True)
class _Wanted:
    room: Integration
    provider: Provider
    practice: str
    reason: str
    by: str | None
    untried: bool = False
    dry_run: bool = False


def add(credential: typer.Typer, make: MakeApplication) -> None:
    @credential.command("bring-back")
    def bring_back(
        room: Room,
        practice: Practice,
        provider: ProviderName = None,
        reason: Annotated[str, typer.Option(help="Why. Name no client.")] = "",
        by: By = None,
        untried: Annotated[
            bool, typer.Option("--untried", help="Also if its provider does not answer it well.")
        ] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Only ask, and say what it would do now.")
        ] = False,
    ) -> None:
        """Use the former secret and its address again; what they replace is kept in their place.

        The provider is asked first, and what it says is printed.
        """
        application = make()
        chosen, of_room = chosen_of(application, room, provider)
        wanted = _Wanted(of_room, chosen, practice, reason, by, untried, dry_run)
        for line in ask(application, lambda services: _bring_back(services, wanted)):
            print(line)

    @credential.command("forget")
    def forget(
        room: Room,
        practice: Practice,
        reason: Annotated[str, typer.Option(help="Why. Name no client.")],
        provider: ProviderName = None,
        by: By = None,
    ) -> None:
        """Wipe the former secret for good, as after a leak."""
        application = make()
        chosen, of_room = chosen_of(application, room, provider)
        wanted = _Wanted(of_room, chosen, practice, reason, by)
        ask(application, lambda services: _forget(services, wanted))
        print("the former one is wiped")


async def _bring_back(services: Services, wanted: _Wanted) -> list[str]:
    from mentalspace.workflows.former_secret import bring_back, look_at_former

    credential_id = await _credential(services, wanted)
    look = await look_at_former(services, credential_id)
    if look.refusal is not None:
        raise Refused("not_now", look.refusal)
    if wanted.dry_run:
        return list(look.would)
    if not look.well and not wanted.untried:
        raise Refused("not_tried", f"{look.would[0]} With --untried it is used all the same.")
    count = await bring_back(services, credential_id, await _wish(services, wanted, look.version))
    waited = "1 message" if count == 1 else f"{count:,} messages"
    return [*look.would, f"done: {waited} waited, and what may leave goes"]


async def _forget(services: Services, wanted: _Wanted) -> None:
    from mentalspace.workflows.former_secret import forget

    credential_id = await _credential(services, wanted)
    async with services.database.as_oncall() as connection:
        version = await connection.fetchval(
            "select version from credential where id = $1", credential_id
        )
    await forget(services, credential_id, await _wish(services, wanted, version))


async def _wish(services: Services, wanted: _Wanted, version: int) -> Wish:
    from mentalspace.workflows.former_secret import Wish

    who = await on_call_actor(services, wanted.by) if wanted.by else login_actor()
    return Wish(who, who, wanted.reason, version, untried=wanted.untried)


async def _credential(services: Services, wanted: _Wanted) -> UUID:
    from mentalspace.cli.tokens import practice_id_of
    from mentalspace.engine.db import connect_owner
    from mentalspace.engine.remedy import find_named

    practice_id = await practice_id_of(services, wanted.practice)
    async with connect_owner(services.admin_url) as owner:
        endpoint = await endpoint_in(owner, practice_id, wanted.room, wanted.provider)
    async with services.database.as_oncall() as connection:
        [named] = await find_named(connection, wanted.room.name, endpoint)
    return named.credential_id
