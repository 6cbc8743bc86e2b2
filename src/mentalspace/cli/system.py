"""Commands that start, stop and show the system's processes."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.kernel.errors import MentalSpaceError, Refused
from mentalspace.kernel.settings import SANDBOX_PORTS

Supervised = Annotated[bool, typer.Option("--supervised", hidden=True)]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


def add(app: typer.Typer, make: MakeApplication) -> None:
    @app.command()
    def up(
        detach: Annotated[
            bool, typer.Option("--detach", help="Return when all is ready, and let it run on.")
        ] = False,
        tell: Annotated[int | None, typer.Option("--tell", hidden=True)] = None,
    ) -> None:
        """Set up and start everything; stay until Ctrl-C."""
        from mentalspace.cli import up as starting

        if detach:
            print(starting.detach(make()))
            return
        try:
            starting.stay_up(make(), tell=tell)
        except MentalSpaceError as error:
            if tell is not None:
                starting.tell_failure(tell, error)
            raise

    @app.command()
    def down() -> None:
        """Stop everything that `up` started here."""
        from mentalspace.cli.up import bring_down

        stopped = bring_down(make(), say=print)
        print("stopped" if stopped else "MentalSpace was not up here")

    @app.command()
    def status(as_json: Json = False) -> None:
        """Each process, and whether all is ready.

        Without --json, exits with 1 if it is not.
        """
        from mentalspace.cli.status import lines, look

        standing = look(make())
        if as_json:
            print(json.dumps(standing.public(), indent=2))
            return
        print("\n".join(lines(standing)))
        raise typer.Exit(0 if standing.ready else 1)

    @app.command()
    def restart(
        name: Annotated[str, typer.Argument(help="worker, api or sandbox.")],
    ) -> None:
        """End one process, by force if it hangs, and let it start again; nothing is sent twice."""
        from mentalspace.cli.restart import restart as restart_it

        print(restart_it(make().settings.home, name))

    @app.command()
    def serve(supervised: Supervised = False) -> None:
        """The API and the console alone."""
        _end_with_parent(supervised)
        make().run_api()

    @app.command()
    def worker(supervised: Supervised = False) -> None:
        """One worker alone; any number may run, on any number of hosts."""
        _end_with_parent(supervised)
        make().run_worker()

    @app.command()
    def sandbox(
        rooms: Annotated[
            list[str] | None, typer.Argument(metavar="[ROOM]...", help="All, if none is named.")
        ] = None,
        port: Annotated[int | None, typer.Option(help="Default: the console's, plus one.")] = None,
        supervised: Supervised = False,
    ) -> None:
        """The providers, played on one local port; needs no database."""
        from mentalspace.cli.probe import is_free

        _end_with_parent(supervised)
        application = make()
        if application.settings.is_production:
            raise Refused("production", "production runs no sandbox: it keeps what it is sent")
        wanted = port or application.settings.sandbox_port
        for each in range(wanted, wanted + SANDBOX_PORTS):
            if not is_free(each):
                raise MentalSpaceError(
                    f"port {each} of 127.0.0.1 is in use; choose another with --port,"
                    f" which the next {SANDBOX_PORTS - 1} go with"
                )
        if not supervised:
            print(f"sandbox at http://127.0.0.1:{wanted}, until Ctrl-C", flush=True)
        application.run_sandbox(rooms or None, wanted)

    @app.command()
    def migrate() -> None:
        """Bring the database's tables up to date."""
        application = make()
        was_up = application.postgres_status()[0]
        application.prepare(print)
        if application.settings.database_url is None and not was_up:
            application.stop_postgres()
        print("the database is up to date")

    @app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
    def bench(context: typer.Context) -> None:
        """Measure; its own options follow."""
        raise typer.Exit(make().bench(list(context.args)))

    @app.command()
    def room(
        name: Annotated[str, typer.Argument(help="What it can do, such as prior_auth.")],
        provider: Annotated[
            str | None, typer.Option(help="Whom it talks to; a made-up one if left out.")
        ] = None,
    ) -> None:
        """Scaffold a new integration that runs from its first day."""
        import mentalspace.integrations
        from mentalspace.cli.scaffold import next_steps, scaffold

        whom = provider or f"{name}co"
        [rooms] = mentalspace.integrations.__path__
        target = scaffold(Path(rooms), name, whom, date.today())
        print("\n".join(next_steps(target, name, whom)))


def _end_with_parent(supervised: bool) -> None:
    if supervised:
        from mentalspace.cli.orphan import end_with_parent

        end_with_parent()
    else:
        sys.stdout.flush()
