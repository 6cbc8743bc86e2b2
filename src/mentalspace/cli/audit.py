"""The audit from the command line: does every chain still hold, and who did what?"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask
from mentalspace.cli.system import Json
from mentalspace.cli.table import table
from mentalspace.kernel.errors import Refused

if TYPE_CHECKING:
    from mentalspace.engine.services import Services
    from mentalspace.practice.audit_search import Entry, Search

ACTOR = "command line"


def add(app: typer.Typer, make: MakeApplication) -> None:
    audit = typer.Typer(help="Who read or did what.", no_args_is_help=True)
    app.add_typer(audit, name="audit")

    @audit.callback()
    def _() -> None: ...

    @audit.command()
    def verify(as_json: Json = False) -> None:
        """Read every chain from its first entry; say where one does not hold.

        Compare the heads with those in the worker's log or your own notes: whoever cuts off the
        newest entries, and the head with them, shows only there.
        """
        from mentalspace.practice.audit import verify as verify_chains

        chains = ask(make(), lambda services: verify_chains(services.database))
        whole = all(chain.broken_at is None for chain in chains)
        if as_json:
            print(json.dumps({"ok": whole, "chains": list(map(asdict, chains))}, indent=2))
        else:
            for chain in chains:
                fault = f"BROKEN at entry {chain.broken_at}: {chain.reason}"
                state = "whole" if chain.broken_at is None else fault
                print(f"{chain.practice}: {chain.entries} entries, {state}; head {chain.head}")
        raise typer.Exit(0 if whole else 1)

    @audit.command()
    def search(
        practice: Annotated[str | None, typer.Option(help="Slug or id; else every one.")] = None,
        who: Annotated[str, typer.Option(help="A person's id, or a word.")] = "",
        did: Annotated[str, typer.Option(help="Such as client.read or payload.opened.")] = "",
        about: Annotated[UUID | None, typer.Option(help="The id of a client or a message.")] = None,
        since: Annotated[str | None, typer.Option(help="A day or an instant.")] = None,
        until: Annotated[str | None, typer.Option(help="The instant after it.")] = None,
        people: Annotated[
            bool, typer.Option("--people", help="Leave out what MentalSpace did itself.")
        ] = False,
        limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
        as_json: Json = False,
    ) -> None:
        """Who read or did what, the newest first; people and clients by their ids."""
        from mentalspace.practice.audit_search import Search

        wanted = Search(
            actor=who,
            action=did,
            subject=about,
            since=_instant(since),
            until=_instant(until),
            by_people=people,
        )
        if wanted.since and wanted.until and wanted.until <= wanted.since:
            raise Refused("range_empty", "--until is not after --since; nothing lies between them")
        entries = ask(make(), lambda services: _search(services, practice, wanted, limit))
        if as_json:
            print(json.dumps([asdict(entry) for entry in entries], indent=2, default=str))
        else:
            print(_shown(entries))


async def _search(
    services: Services, practice: str | None, search: Search, limit: int
) -> list[Entry]:
    from dataclasses import replace

    from mentalspace.cli.tokens import practice_id_of
    from mentalspace.practice.audit_search import note_search, search_audit

    practice_id = await practice_id_of(services, practice) if practice else None
    wanted = replace(search, practice_id=practice_id)
    async with services.database.as_oncall() as connection:
        entries = await search_audit(connection, wanted, limit)
        await note_search(connection, ACTOR, "audit.read", wanted, of=practice_id)
    return entries


def _shown(entries: list[Entry]) -> str:
    if not entries:
        return "nothing fits"
    from mentalspace.practice.audit_search import ITSELF

    rows = [
        (
            f"{entry.at:%Y-%m-%d %H:%M:%S}",
            entry.practice_name or "none",
            "MentalSpace" if entry.actor in (ITSELF, "system") else entry.actor,
            entry.action,
            entry.subject or "",
            ", ".join(
                str(value) for name, value in entry.data.items() if name not in ("opening", "role")
            ),
        )
        for entry in entries
    ]
    return table(("at (UTC)", "practice", "who", "did", "about", "more"), rows)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        words = f"{text!r} is no day and no instant; write 2026-11-23 or 2026-11-23T15:30+00:00"
        raise Refused("not_an_instant", words) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
