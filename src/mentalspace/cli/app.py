"""The `mentalspace` command: its words, and how it reports what goes wrong."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from mentalspace.cli import (
    agreements,
    alarm_test,
    alerts,
    audit,
    credentials,
    dead_letters,
    drill,
    engine_room,
    history,
    incidents,
    keys,
    lane,
    looking,
    oncall,
    people,
    runbook,
    system,
    why,
)
from mentalspace.cli.application import MakeApplication
from mentalspace.cli.run_state import AlreadyUp
from mentalspace.cli.supervise import CouldNotStart
from mentalspace.kernel.errors import MentalSpaceError, SettingsError


class Plain(TyperGroup):
    """Turns our own errors into lines on standard error; a bug still shows its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except MentalSpaceError as error:
            report(error)
            raise typer.Exit(exit_code(error)) from None


def build(make_application: MakeApplication) -> typer.Typer:
    """The whole command line over one installation, which is made only when a command runs."""
    app = typer.Typer(
        name="mentalspace",
        cls=Plain,
        help="The integration layer of a behavioral-health EHR, whose runbook runs.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"max_content_width": 100},
    )
    for group in (
        system,
        engine_room,
        drill,
        looking,
        why,
        dead_letters,
        incidents,
        alerts,
        lane,
        history,
        people,
        oncall,
        alarm_test,
        credentials,
        agreements,
        audit,
        keys,
        runbook,
    ):
        group.add(app, make_application)
    return app


def report(error: MentalSpaceError) -> None:
    """One line; for wrong settings and runbooks one a mistake."""
    for line in str(error).splitlines() or [type(error).__name__]:
        prefix = "setting" if isinstance(error, SettingsError) else "mentalspace"
        print(f"{prefix}: {line}", file=sys.stderr)


def exit_code(error: MentalSpaceError) -> int:
    """1: asked rightly, but it did not come about. 2: it could not be done as asked."""
    return 1 if isinstance(error, AlreadyUp | CouldNotStart) else 2
