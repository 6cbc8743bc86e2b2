"""Commands that do something in a running system: import, move the clock, sign a token."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask
from mentalspace.cli.span import in_words, parse_span
from mentalspace.kernel.errors import MentalSpaceError, Refused

if TYPE_CHECKING:
    from mentalspace.engine.services import Services
    from mentalspace.workflows.calendar_import import ImportResult


def add(app: typer.Typer, make: MakeApplication) -> None:
    @app.command("import")
    def import_(
        file: Annotated[Path, typer.Argument(help="CSV or iCalendar.")],
        practice: Annotated[
            str | None, typer.Option(help="Slug or id; else the default practice.")
        ] = None,
    ) -> None:
        """Take over a front desk's calendar.

        Twice changes nothing; bad rows wait to be mended.
        """
        data = _read(file)
        result = ask(make(), lambda services: _import(services, practice, data, file.name))
        for line in import_lines(result):
            print(line)

    clock = typer.Typer(help="The demo's clock: what it shows, and moving it forward.")
    app.add_typer(clock, name="clock")

    @clock.callback(invoke_without_command=True)
    def show(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            print(ask(make(), _clock))

    @clock.command()
    def advance(
        by: Annotated[str | None, typer.Argument(help="24h, 90m, 2d, 1d12h.")] = None,
    ) -> None:
        """Move the demo's clock forward; without a length of time, show it."""
        application = make()
        if by is None:
            print(ask(application, _clock))
            return
        if application.settings.is_production:
            raise Refused("production", "production runs on real time; its clock does not move")
        length = parse_span(by)
        print(ask(application, lambda services: _advance(services, length)))

    @app.command()
    def token(
        role: Annotated[str, typer.Option(help="administrator, clinician, biller, …")],
        practice: Annotated[
            str | None, typer.Option(help="Slug or id; else the default practice.")
        ] = None,
        user: Annotated[
            str | None, typer.Option(help="Address or id; else whoever has it.")
        ] = None,
    ) -> None:
        """A bearer token for the HTTP API, in a demo; good for an hour."""
        from mentalspace.cli.tokens import token_for

        application = make()
        if application.settings.is_production:
            raise Refused("production", "production signs no tokens from the command line; log in")
        print(ask(application, lambda services: token_for(services, role, practice, user)))


def import_lines(result: ImportResult) -> list[str]:
    """Counts first, then every bad row's line, column and cure."""
    landed = f"{result.new} new, {result.changed} changed, {result.cancelled} cancelled"
    lines = [f"{landed}, {result.unchanged} unchanged"]
    if result.merged:
        lines.append(f"{result.merged} repeated another row")
    lines += [f"note: {note}" for note in result.notes]
    lines += [f"line {n.line}, {n.column}: {n.text}; {n.then}" for n in result.numbers]
    if result.bad:
        known = f" ({result.bad_known} already known)" if result.bad_known else ""
        lines.append(f"{len(result.bad)} to correct, kept for that{known}:")
    for bad in result.bad:
        lines += [f"  line {m.line}, {m.column}: {m.text}; {m.cure}" for m in bad.mistakes]
    return lines


async def _import(
    services: Services, practice: str | None, data: bytes, file_name: str
) -> ImportResult:
    from mentalspace.cli.tokens import practice_id_of
    from mentalspace.workflows.calendar_import import import_calendar
    from mentalspace.workflows.demo import system_claims

    practice_id = await practice_id_of(services, practice)
    claims = system_claims(practice_id)
    return await import_calendar(services, claims, data, file_name, imported_by="command line")


async def _clock(services: Services) -> str:
    offset = services.clock.offset
    shows = services.clock.now().isoformat(timespec="seconds")
    return f"{shows}, {in_words(offset)} ahead of real time" if offset else f"{shows}, real time"


async def _advance(services: Services, length: Any) -> str:
    from mentalspace.workflows.sandbox_keeping import SandboxAway, keep_sandbox

    async with services.database.as_dispatcher() as connection:
        services.clock.offset = await connection.fetchval("select app.advance_clock($1)", length)
    # At once, so that no webhook is signed with yesterday's date; if away, it is told later.
    with suppress(SandboxAway):
        await keep_sandbox(services)
    return await _clock(services)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise MentalSpaceError(f"{file}: {error.strerror}") from error
