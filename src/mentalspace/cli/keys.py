"""The master key's rotation: everything sealed anew under today's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask

if TYPE_CHECKING:
    from mentalspace.engine.reseal import Resealed
    from mentalspace.engine.services import Services


def add(app: typer.Typer, make: MakeApplication) -> None:
    keys = typer.Typer(help="The master key.", no_args_is_help=True)
    app.add_typer(keys, name="keys")

    @keys.callback()
    def _() -> None: ...

    @keys.command()
    def reseal() -> None:
        """Seal everything anew under MENTALSPACE_MASTER_KEY.

        Set MENTALSPACE_MASTER_KEY_BEFORE to the old key until this has run; nothing stops for it.
        """
        done = ask(make(), _reseal)
        unreadable = sum(result.unreadable for result in done)
        if unreadable:
            print(f"{unreadable} could not be opened with either key; keep the old one")
        raise typer.Exit(1 if unreadable else 0)


async def _reseal(services: Services) -> list[Resealed]:
    from mentalspace.engine.db import connect_owner
    from mentalspace.engine.reseal import reseal

    def say(result: Resealed) -> None:
        place = f"{result.sealed.table}.{result.sealed.column}"
        print(f"{place:<24}{result.renewed:>8} sealed anew")

    async with connect_owner(services.admin_url) as owner:
        return await reseal(owner, services.vault, say)
