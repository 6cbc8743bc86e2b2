"""A practice's own access to a provider, stored encrypted; stored again it is a rotation."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mentalspace.cli import former
from mentalspace.cli.actor import login_actor, on_call_actor
from mentalspace.cli.application import Application, MakeApplication
from mentalspace.cli.ask import ask
from mentalspace.cli.chosen import chosen_of, endpoint_in
from mentalspace.kernel.errors import Refused

if TYPE_CHECKING:
    from mentalspace.engine.services import Services
    from mentalspace.kernel.integration import CredentialField, Integration, Provider


@dataclass(frozen=True, slots=True)
class _Given:
    practice: str
    base_url: str | None
    secrets: dict[str, str] = field(repr=False)
    leaked: bool
    by: str | None


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
        leaked: Annotated[
            bool, typer.Option("--leaked", help="The old one has leaked: it is not kept.")
        ] = False,
        by: former.By = None,
    ) -> None:
        """Store or rotate it; the secrets are asked for, or read line by line from standard input.

        Lanes that waited for another credential go on. What it replaces is kept, sealed, for a
        week: `credential bring-back`. Prints the path of its webhooks, or the
        endpoint's name for a provider that sends none.
        """
        application = make()
        chosen, of_room = chosen_of(application, room, provider)
        secrets = _secrets(chosen)
        given = _Given(practice, base_url, secrets, leaked, by)
        print(ask(application, lambda s: _store(s, of_room, chosen, given)))

    @credential.command("test-mode")
    def test_mode(
        room: Annotated[str, typer.Argument(help="Such as email.")],
        practice: Annotated[str, typer.Option(help="Slug or id.")],
        provider: Annotated[str | None, typer.Option(help="Else the room's first.")] = None,
        off: Annotated[bool, typer.Option("--off", help="People are reached again.")] = False,
    ) -> None:
        """Let through only what goes to the provider's test recipients; the rest is refused."""
        from mentalspace.engine.credentials import set_test_only

        application = make()
        chosen, of_room = chosen_of(application, room, provider)
        deed = "test_mode_ended" if off else "test_mode_begun"
        ask(
            application,
            lambda s: _switch(s, of_room, chosen, practice, set_test_only, deed, on=not off),
        )
        print("everybody is reached" if off else "only test recipients are reached")

    @credential.command("look-up")
    def look_up(
        room: Annotated[str, typer.Argument(help="Such as sms.")],
        practice: Annotated[str, typer.Option(help="Slug or id.")],
        provider: Annotated[str | None, typer.Option(help="Else the room's first.")] = None,
        off: Annotated[bool, typer.Option("--off", help="Nothing is asked any more.")] = False,
    ) -> None:
        """Ask the provider what a number is before the first text to it; each question costs."""
        from mentalspace.engine.credentials import set_look_up

        application = make()
        chosen, of_room = chosen_of(application, room, provider)
        if not chosen.looks_up_numbers:
            raise Refused("no_look_up", f"{chosen.title} does not tell what a number is")
        deed = "look_up_ended" if off else "look_up_begun"
        ask(
            application,
            lambda s: _switch(s, of_room, chosen, practice, set_look_up, deed, on=not off),
        )
        print("numbers are not looked up" if off else _look_up_costs(application, of_room))

    @credential.command("order")
    def order(
        room: Annotated[str, typer.Argument(help="Such as email.")],
        providers: Annotated[list[str], typer.Argument(help="The first choice first.")],
        practice: Annotated[str, typer.Option(help="Slug or id.")],
        after_s: Annotated[
            float | None,
            typer.Option("--after", min=0, help="Seconds out before the next takes over."),
        ] = None,
    ) -> None:
        """Say which of its providers a practice uses first, and which takes over.

        What is new goes to the first. What waits behind one that is out goes on to the next.
        """
        application = make()
        chosen = [chosen_of(application, room, name) for name in providers]
        for place in ask(application, lambda s: _order(s, chosen, practice, after_s)):
            print(place)

    former.add(credential, make)


async def _store(
    services: Services,
    room: Integration,
    provider: Provider,
    given: _Given,
) -> str:
    from mentalspace.cli.tokens import practice_id_of
    from mentalspace.engine.credentials import NewCredential
    from mentalspace.engine.db import connect_owner
    from mentalspace.practice.tenancy import base_url_of, is_live, rank_of, store

    practice_id = await practice_id_of(services, given.practice)
    name = await on_call_actor(services, given.by) if given.by else login_actor()
    async with connect_owner(services.admin_url) as owner, owner.transaction():
        endpoint = await endpoint_in(owner, practice_id, room, provider)
        # A rotation leaves a live one where it is, which may be nobody's default.
        known: str | None = await owner.fetchval(
            "select base_url from credential where integration = $1 and endpoint = $2"
            " and provider = $3 and live",
            room.name,
            endpoint,
            provider.name,
        )
        url = given.base_url or known or base_url_of(room.name, provider, services.settings)
        new = NewCredential(
            practice_id,
            room.name,
            endpoint,
            url,
            is_live(url),
            given.secrets,
            rank=rank_of(room, provider),
            has_leaked=given.leaked,
        )
        await store(owner, services.vault, provider, new, services.settings, actor=name)
    return f"/v1/hooks/{room.name}/{endpoint}" if provider.calls_back else endpoint


async def _switch(
    services: Services,
    room: Integration,
    provider: Provider,
    practice: str,
    change: Callable[[Any, str, str, bool], Awaitable[bool]],
    deed: str,
    *,
    on: bool,
) -> None:
    from mentalspace.cli.tokens import practice_id_of
    from mentalspace.engine.db import connect_owner
    from mentalspace.practice.audit import note

    practice_id = await practice_id_of(services, practice)
    async with connect_owner(services.admin_url) as owner, owner.transaction():
        endpoint = await endpoint_in(owner, practice_id, room, provider)
        if not await change(owner, room.name, endpoint, on):
            raise Refused("no_such_credential", f"the practice has none for {provider.title}")
        what = f"{room.name} {provider.name}"
        await note(owner, login_actor(), deed, practice_id=practice_id, what=what)


def _look_up_costs(application: Application, room: Integration) -> str:
    said = "a number is looked up once, before the first text to it"
    price = application.runbooks().room(room.name).overview.look_up_price
    return f"{said}: {price.amount:g} {price.currency} each" if price else said


async def _order(
    services: Services,
    chosen: list[tuple[Provider, Integration]],
    practice: str,
    after_s: float | None,
) -> list[str]:
    from mentalspace.cli.tokens import practice_id_of
    from mentalspace.engine.credentials import set_order
    from mentalspace.engine.db import connect_owner

    practice_id = await practice_id_of(services, practice)
    room = chosen[0][1]
    async with connect_owner(services.admin_url) as owner, owner.transaction():
        endpoints = [await endpoint_in(owner, practice_id, room, p) for p, _room in chosen]
        known = await set_order(owner, practice_id, room.name, endpoints, after_s)
        for endpoint, (provider, _room) in zip(endpoints, chosen, strict=True):
            if endpoint not in known:  # and nothing is changed
                raise Refused("no_such_credential", f"the practice has none for {provider.title}")
    return [f"{place}. {endpoint}" for place, endpoint in enumerate(known, start=1)]


def _secrets(provider: Provider) -> dict[str, str]:
    given = {field.name: _secret(field) for field in provider.credential_fields}
    return {name: secret for name, secret in given.items() if secret}


def _secret(field: CredentialField) -> str:
    if sys.stdin.isatty():
        given: str = typer.prompt(
            f"{field.name} (optional)" if field.optional else field.name,
            hide_input=True,
            default="" if field.optional else None,
            show_default=False,
        )
    else:
        given = sys.stdin.readline().rstrip("\n")
    if not given and not field.optional:
        raise Refused("no_secret", f"{field.name}: give it, or nothing is stored")
    return given
