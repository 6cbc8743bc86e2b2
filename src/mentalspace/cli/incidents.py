"""Incidents from the command line: those that are open, and one told as a post-mortem."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask
from mentalspace.cli.table import table
from mentalspace.kernel.errors import Refused

if TYPE_CHECKING:
    from mentalspace.engine.services import Services

Form = Literal["md", "pdf", "html"]
_FORMS: tuple[Form, ...] = ("md", "pdf", "html")

_LIST = """
select i.id, i.severity, i.status, i.opened_at, i.title, p.slug
  from incident i left join practice p on p.id = i.practice_id
 where i.drill is null and ($1 or i.status <> 'resolved') order by i.opened_at desc limit 100
"""


def add(app: typer.Typer, make: MakeApplication) -> None:
    incident = typer.Typer(help="Incidents.", no_args_is_help=True)
    app.add_typer(incident, name="incident")

    @incident.command("list")
    def list_(
        all_: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
    ) -> None:
        """Those that nobody has resolved, newest first."""
        print(ask(make(), lambda services: _listed(services, all_)))

    @incident.command("export")
    def export(
        incident_id: Annotated[str, typer.Argument(metavar="ID")],
        form: Annotated[str, typer.Option("--as", help="md, pdf or html.", metavar="FORM")] = "md",
        to: Annotated[
            Path | None, typer.Option(help="The file to write; otherwise it is printed.")
        ] = None,
    ) -> None:
        """Write an incident down as a post-mortem. It names no client."""
        if form not in _FORMS:
            raise Refused("no_such_form", f"there is no form {form!r}: md, pdf or html")
        try:
            wanted = UUID(incident_id)
        except ValueError as error:
            raise Refused("no_such_incident", "an incident's id is a UUID") from error
        told = ask(make(), lambda services: _export(services, wanted, form))
        if to is None:
            sys.stdout.buffer.write(told)
            sys.stdout.buffer.flush()
        else:
            to.write_bytes(told)


async def _listed(services: Services, everything: bool) -> str:
    async with services.database.as_oncall() as connection:
        rows = await connection.fetch(_LIST, everything)
    shown = [
        (
            str(row["id"]),
            row["severity"],
            row["status"],
            f"{row['opened_at']:%Y-%m-%d %H:%M}",
            row["slug"] or "all",
            row["title"],
        )
        for row in rows
    ]
    return table(("id", "severity", "state", "opened (UTC)", "practice", "title"), shown)


async def _export(services: Services, incident_id: UUID, form: Form) -> bytes:
    from mentalspace.console.post_mortem import post_mortem, read_told
    from mentalspace.engine.document import to_html, to_markdown, to_pdf

    document = post_mortem(await read_told(services, incident_id))
    match form:
        case "md":
            return to_markdown(document).encode()
        case "html":
            return str(to_html(document)).encode()
        case "pdf":
            return to_pdf(document)
