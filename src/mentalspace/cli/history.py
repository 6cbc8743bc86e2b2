"""A demo practice of any size, from a seed number."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask
from mentalspace.kernel.errors import Refused

if TYPE_CHECKING:
    from mentalspace.engine.services import Services
    from mentalspace.workflows.demo_history import Made, Wanted


def add(app: typer.Typer, make: MakeApplication) -> None:
    @app.command()
    def demo(
        clients: Annotated[int, typer.Option(help="How many there shall be from this seed.")],
        seed: Annotated[int, typer.Option(help="The same number makes the same people.")] = 1,
        practice: Annotated[
            str | None,
            typer.Option(help="Its slug, made if missing; else the default practice."),
        ] = None,
        quiet: Annotated[
            bool, typer.Option("--quiet", help="Nothing in flight is in trouble.")
        ] = False,
    ) -> None:
        """Make up clients with three months of appointments and mails; never in production.

        Again with the same numbers changes nothing; with more clients it adds what is missing.
        """
        application = make()
        if application.settings.is_production:
            raise Refused("production", "production has real people; this is for a demo")
        from mentalspace.workflows.demo_history import Wanted

        wanted = Wanted(clients, seed, practice, not quiet)
        began = time.monotonic()
        made = ask(application, lambda services: _make(services, wanted, application.demo_password))
        if made.clients == 0:
            print(f"{made.practice}: nothing to add, all of it is there")
            return
        print(
            f"{made.practice}: {made.clients:,} clients, {made.appointments:,} appointments,"
            f" {made.mails:,} mails of which {made.waiting:,} wait,"
            f" in {time.monotonic() - began:.1f} s"
        )


async def _make(services: Services, wanted: Wanted, password: str) -> Made:
    from mentalspace.engine.db import connect_owner
    from mentalspace.workflows.demo_history import make_history

    async with connect_owner(services.admin_url) as owner:
        return await make_history(
            services, owner, wanted, password=password, now=services.clock.now()
        )
