"""A practice's own access to a provider, stored encrypted; stored again it is a rotation."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask
from mentalspace.kernel.errors import Refused

if TYPE_CHECKING:
    from mentalspace.engine.services import Services
    from mentalspace.kernel.integration import Integration, Provider


def add(app: typer.Typer, make: MakeApplication) -> None:
    credential = typer.Typer(help="A practice's access to a provider.", no_args_is_help=True)
    app.add_typer(credential, name="credential")

    @credential.callback()
    def _() -> None: ...

    @credential.command("set")
    def set_credential(
        room: Annotated[str, typer.Argument(help="Such as email.")],
        practice: Annotated[str, typer.Option(help="Slug or id.")],
        provider: Annotated[str | None, typer.Option(help="Else the room's first.")] = None,
        base_url: Annotated[str | None, typer.Option(help="Else where the provider is.")] = None,
    ) -> None:
        """Store or rotate it; the secrets are asked for, or read line by line from standard input.

        Lanes that waited for another credential go on. Prints the path of its webhooks, or the
        endpoint's name for a provider that sends none.
        """
        application = make()
        rooms = application.rooms()
        if room not in rooms:
            raise Refused("no_such_room", f"there is no room {room!r}: {', '.join(rooms)}")
        names = [p.name for p in rooms[room].providers]
        if provider is not None and provider not in names:
            raise Refused("no_such_provider", f"{room} has {', '.join(names)}")
        chosen = rooms[room].provider(provider or names[0])
        secrets = {field.name: _secret(field.name) for field in chosen.credential_fields}
        print(
            ask(application, lambda s: _store(s, rooms[room], chosen, practice, base_url, secrets))
        )


async def _store(
    services: Services,
    room: Integration,
    provider: Provider,
    practice: str,
    base_url: str | None,
    secrets: dict[str, str],
) -> str:
    from mentalspace.cli.tokens import practice_id_of
    from mentalspace.engine.credentials import NewCredential, save_credential
    from mentalspace.engine.db import connect_owner
    from mentalspace.practice.tenancy import base_url_of, endpoint_of, is_live

    practice_id = await practice_id_of(services, practice)
    url = base_url or base_url_of(room.name, provider, services.settings)
    async with connect_owner(services.admin_url) as owner, owner.transaction():
        row = await owner.fetchrow(
            "select slug, is_default from practice where id = $1", practice_id
        )
        assert row is not None
        endpoint = endpoint_of(None if row["is_default"] else row["slug"], room, provider)
        new = NewCredential(practice_id, room.name, endpoint, url, is_live(url), secrets)
        await save_credential(owner, services.vault, provider, new)
    return f"/v1/hooks/{room.name}/{endpoint}" if provider.calls_back else endpoint


def _secret(name: str) -> str:
    if sys.stdin.isatty():
        given: str = typer.prompt(name, hide_input=True)
    else:
        given = sys.stdin.readline().rstrip("\n")
    if not given:
        raise Refused("no_secret", f"{name}: give it, or nothing is stored")
    return given
