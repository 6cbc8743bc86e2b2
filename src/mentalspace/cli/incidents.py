"""Incidents from the command line: those that are open, one on a screen, who has it, and it told as
a post-mortem."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from mentalspace.cli.actor import on_call_actor
from mentalspace.cli.alerts import ACTOR
from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask, who_is_in_the_way
from mentalspace.cli.table import table
from mentalspace.kernel.errors import Refused

if TYPE_CHECKING:
    from mentalspace.engine.db import Connection
    from mentalspace.engine.services import Services

Id = Annotated[str, typer.Argument(metavar="ID")]
By = Annotated[
    str | None,
    typer.Option(
        "--by", metavar="EMAIL", help="Who of those on call has it; else the command line."
    ),
]
Form = Literal["md", "pdf", "html"]
_FORMS: tuple[Form, ...] = ("md", "pdf", "html")

_LIST = """
select id, severity, status, opened_at, title, practice_id, lead_id,
       recovered_at is not null and status <> 'resolved' as is_over, integration,
       facts ->> 'provider' as provider
  from incident where drill is null and ($1 or status <> 'resolved')
 order by opened_at desc limit 100
"""
# Why each that nobody has is open once more, by its last reason.
_RETURNED = """
select distinct on (t.incident_id) t.incident_id as id,
       case when t.data ? 'case_before' then 'cause_changed' else t.kind end as word
  from timeline t
  join incident i on i.id = t.incident_id and i.status = 'open'
 where t.incident_id = any ($1)
   and t.kind in ('incident_regressed', 'got_worse', 'acknowledgment_lapsed', 'cause_changed')
 order by t.incident_id, t.id desc
"""
_WORDS = {
    "incident_regressed": "came back",
    "got_worse": "worse than when archived",
    "acknowledgment_lapsed": "not over in time",
    "cause_changed": "another cause",
}
_NO_SUCH = "there is no incident of that id: mentalspace incident list"
# Of the incidents' own table alone: whoever locked another is in nobody's way.
_ONE = "select title, status, acknowledged_by, resolve_due_at from incident where id = $1"


def add(app: typer.Typer, make: MakeApplication) -> None:
    incident = typer.Typer(help="Incidents.", no_args_is_help=True)
    app.add_typer(incident, name="incident")

    @incident.command("list")
    def list_(
        all_: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
    ) -> None:
        """Those that nobody has resolved, newest first."""
        print(ask(make(), lambda services: _listed(services, all_)))

    @incident.command()
    def show(incident_id: Id) -> None:
        """What it is, whose, whom it touches, what belongs to it, and what to do now."""
        wanted = _id(incident_id)
        print(ask(make(), lambda services: _shown(services, wanted)))

    @incident.command()
    def acknowledge(incident_id: Id, by: By = None) -> None:
        """Somebody has it: it pages nobody further. Works while another table is locked, too."""
        wanted = _id(incident_id)
        print(ask(make(), lambda services: _act(services, wanted, "acknowledge", by)))

    @incident.command()
    def resolve(incident_id: Id, by: By = None) -> None:
        """It is over. While its cause lasts, it is open again within a minute."""
        wanted = _id(incident_id)
        print(ask(make(), lambda services: _act(services, wanted, "resolve", by)))

    @incident.command("export")
    def export(
        incident_id: Id,
        form: Annotated[str, typer.Option("--as", help="md, pdf or html.", metavar="FORM")] = "md",
        to: Annotated[
            Path | None, typer.Option(help="The file to write; otherwise it is printed.")
        ] = None,
    ) -> None:
        """Write an incident down as a post-mortem. It names no client."""
        if form not in _FORMS:
            raise Refused("no_such_form", f"there is no form {form!r}: md, pdf or html")
        wanted = _id(incident_id)
        told = ask(make(), lambda services: _export(services, wanted, form))
        if to is None:
            sys.stdout.buffer.write(told)
            sys.stdout.buffer.flush()
        else:
            to.write_bytes(told)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Refused("no_such_incident", "an incident's id is a UUID") from error


async def _act(
    services: Services, wanted: UUID, act: Literal["acknowledge", "resolve"], by: str | None
) -> str:
    """A line that says how it stands. Raises Refused where there is no such incident or person."""
    from mentalspace.engine import incidents
    from mentalspace.engine.acknowledged import OWED, owe
    from mentalspace.engine.pulse import LOCKED

    actor = await on_call_actor(services, by) if by else ACTOR
    try:
        async with services.database.as_oncall() as connection:
            changed = await getattr(incidents, act)(connection, wanted, actor)
            row = await connection.fetchrow(_ONE, wanted)
    except LOCKED:
        if act != "acknowledge":
            raise
        whose = await owe(services.database, wanted, actor)
        return f"{OWED} By {whose}.\n{await who_is_in_the_way(services)}"
    if row is None:
        raise Refused("no_such_incident", _NO_SUCH)
    if not changed:
        has = f", by {row['acknowledged_by']}" if row["status"] == "acknowledged" else ""
        return f"nothing changed, it is {row['status']} already{has}: {row['title']}"
    due = row["resolve_due_at"]
    if act == "acknowledge" and due is not None:
        return f"acknowledged by {actor}, until {due:%Y-%m-%d %H:%M} UTC: {row['title']}"
    return f"{act}d by {actor}: {row['title']}"


async def _listed(services: Services, everything: bool) -> str:
    async with services.database.as_oncall() as connection:
        rows = await connection.fetch(_LIST, everything)
        slugs = await _unless_locked(connection, "select id, slug as word from practice")
        returned = await _unless_locked(connection, _RETURNED, [row["id"] for row in rows])
    shown = [
        (
            str(row["id"]),
            row["severity"],
            _state(row, returned.get(row["id"])),
            f"{row['opened_at']:%Y-%m-%d %H:%M}",
            slugs.get(row["practice_id"], "?") if row["practice_id"] else "all",
            _name(services, row),
        )
        for row in rows
    ]
    return table(("id", "severity", "state", "opened (UTC)", "practice", "title"), shown)


def _name(services: Services, row: Any) -> str:
    """With its provider: two may have the same title at the same time."""
    from mentalspace.workflows.impact.together import named, provider_title

    provider = row["provider"]
    title = provider_title(services, row["integration"], provider) if provider else None
    return named(row["title"], title)


def _state(row: Any, returned: str | None) -> str:
    """As its page says it: `open, came back`, `over, not closed`, `open, with 1a2b3c4d`."""
    word = "over, not closed" if row["is_over"] else row["status"]
    parts = [word]
    if returned is not None and not row["is_over"]:
        parts.append(_WORDS[returned])
    if row["lead_id"] is not None:
        parts.append(f"with {str(row['lead_id'])[:8]}")
    return ", ".join(parts)


async def _unless_locked(connection: Connection, sql: str, *values: object) -> dict[UUID, str]:
    """A word for each id; empty while their table is locked."""
    from mentalspace.engine.pulse import LOCKED, bound_waits

    try:
        async with connection.transaction():
            await bound_waits(connection)
            return {row["id"]: row["word"] for row in await connection.fetch(sql, *values)}
    except LOCKED:
        return {}


async def _shown(services: Services, incident_id: UUID) -> str:
    from mentalspace.console.glance import glance
    from mentalspace.console.post_mortem import read_told

    told = await read_told(services, incident_id)
    return glance(told, services.runbooks, _name(services, told.incident))


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
