"""Dead letters from the command line: what is held, and sending what may go again."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask
from mentalspace.cli.system import Json

if TYPE_CHECKING:
    from mentalspace.engine.replay import Heap
    from mentalspace.engine.services import Services


def add(app: typer.Typer, make: MakeApplication) -> None:
    @app.command()
    def replay(
        integration: Annotated[str | None, typer.Option(help="Only this room's.")] = None,
        case: Annotated[str | None, typer.Option(help="Only what met this case.")] = None,
        yes: Annotated[bool, typer.Option("--yes", help="Send the safe ones again.")] = False,
        as_json: Json = False,
    ) -> None:
        """Say what is held and what of it may go again; with --yes, send that.

        What may be out already is never among it: look each up at its provider.
        """
        heaps, sent = ask(make(), lambda services: _replay(services, integration, case, yes))
        if as_json:
            rows = [asdict(heap) for heap in heaps]
            print(json.dumps({"heaps": rows, "sent": sent}, indent=2, default=str))
            return
        for heap in heaps:
            print(
                f"{heap.case_id or 'no case'} ({heap.integration}): {heap.safe} safe to send,"
                f" {heap.perhaps_sent} perhaps sent, {heap.of_no_use} of no use any more,"
                f" {heap.people} people"
            )
        if not heaps:
            print("nothing is held")
        elif yes:
            print(f"{sent} go again")
        elif any(heap.safe for heap in heaps):
            print("nothing was changed; --yes sends the safe ones again")


async def _replay(
    services: Services, integration: str | None, case: str | None, yes: bool
) -> tuple[list[Heap], int]:
    from mentalspace.engine.replay import preflight, replay

    async with services.database.as_oncall() as connection:
        heaps = await preflight(connection, integration, case)
        sent = (await replay(connection, "command line", integration, case))[1] if yes else 0
    return heaps, sent
