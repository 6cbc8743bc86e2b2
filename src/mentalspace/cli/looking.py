"""Commands that look and change nothing: message, psql, ready, doctor."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask
from mentalspace.cli.system import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mentalspace.engine.services import Services
    from mentalspace.workflows.doctor import Report


def add(app: typer.Typer, make: MakeApplication) -> None:
    message = typer.Typer(help="One message and what happened to it.", no_args_is_help=True)
    app.add_typer(message, name="message")

    @message.callback()
    def _message() -> None:
        """One message and what happened to it."""

    @message.command()
    def show(
        message_id: Annotated[str, typer.Argument(metavar="ID", help="Ours or the provider's.")],
        as_json: Json = False,
    ) -> None:
        """A message's facts and its timeline, in words."""
        from mentalspace.cli.message import find_message, story

        async def told(services: Services) -> str:
            found = await find_message(services, message_id)
            if as_json:
                return json.dumps(found.public(), indent=2, default=str)
            return story(services, found)

        print(ask(make(), told))

    @app.command()
    def psql(
        command: Annotated[str | None, typer.Option("-c", help="One statement to run.")] = None,
        role: Annotated[str, typer.Option(help="oncall, dispatcher, door or owner.")] = "oncall",
    ) -> None:
        """SQL as an on-call engineer: masked, read only, ten seconds."""
        from mentalspace.cli.psql import interactive, run_sql

        application = make()
        if command is not None:
            sql = command
            print(ask(application, lambda services: run_sql(services, sql, role)))
            return
        program, environment = ask(application, lambda services: interactive(services, role))
        os.execve(program[0], program, environment)  # noqa: S606 (psql takes this terminal over)

    @app.command()
    def ready(as_json: Json = False) -> None:
        """What is missing before anything goes live, and what to do about each point.

        Exits with 1 while something is. In a demo it says what a production would lack.
        """
        application = make()
        points = ask(application, application.readiness)
        done = all(point.state != "bad" for point in points)
        if as_json:
            print(json.dumps({"ok": done, "points": list(map(asdict, points))}, indent=2))
        else:
            for point in points:
                print(f"{point.state:<8} {point.subject}: {point.text}")
                if point.cure and point.state != "good":
                    print(f"{'':<8} → {point.cure}")
        raise typer.Exit(0 if done else 1)

    @app.command()
    def doctor(
        room: Annotated[str | None, typer.Argument(metavar="[ROOM]")] = None,
        as_json: Json = False,
    ) -> None:
        """What is wrong with a room, ours or theirs, and what to do about it; one screen a room.

        Asks the provider, the DNS and the status page, and counts the rates. Exits with 1 if
        something is bad.
        """
        from mentalspace.cli.doctor import screen

        application = make()

        async def asked(services: Services) -> tuple[Sequence[Report], str, str]:
            from mentalspace.engine.alarm import read_alarm
            from mentalspace.engine.trace.standing import read_standing

            async with services.database.as_oncall() as connection:
                alarm = await read_alarm(connection)
                traces = await read_standing(connection) if services.settings.otlp else "off"
            return await application.doctor(services, room), alarm.words, traces

        reports, alarm, traces = ask(application, asked)
        well = all(report.ok for report in reports) and alarm == "ok"
        if as_json:
            told = [report.public() for report in reports]
            findings = [finding for report in told for finding in report["findings"]]
            whole = {"ok": well, "alarm": alarm, "traces": traces, "findings": findings}
            whole["rooms"] = told
            print(json.dumps(whole, indent=2, default=str))
        else:
            if alarm != "ok":
                print(f"ALARM: {alarm}\n")
            if traces not in ("ok", "off"):
                print(f"Traces: {traces}\n")
            print("\n\n".join(map(screen, reports)))
        raise typer.Exit(0 if well else 1)
