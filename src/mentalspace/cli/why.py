"""`mentalspace why`: which policy keeps a person from a document."""

from __future__ import annotations

from typing import Annotated

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask


def add(app: typer.Typer, make: MakeApplication) -> None:
    @app.command()
    def why(
        person: Annotated[str, typer.Argument(help="The address they sign in with.")],
        verb: Annotated[str, typer.Argument(help="read, add, replace or delete.")],
        place: Annotated[str, typer.Argument(metavar="BUCKET/NAME")],
    ) -> None:
        """Why a person may or may not do something with a document, by each of their roles.

        Exits with 1 if none of them lets them.
        """
        application = make()
        found = ask(application, lambda services: application.why(services, person, verb, place))
        for standing in found:
            said = "may" if standing.may else "may not"
            because = f", {standing.because}" if standing.because else ""
            print(f"{standing.role.replace('_', ' ')} of {standing.practice}: {said}{because}")
        raise typer.Exit(0 if any(standing.may for standing in found) else 1)
