"""Dead letters from the command line: what is held, and sending what may go again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask
from mentalspace.cli.system import Json

if TYPE_CHECKING:
    from mentalspace.engine.again import EndedHeap
    from mentalspace.engine.replay import Heap
    from mentalspace.engine.services import Services
    from mentalspace.engine.unheard import Unheard
    from mentalspace.engine.unknown import LongUnknown


def add(app: typer.Typer, make: MakeApplication) -> None:
    @app.command()
    def replay(
        integration: Annotated[str | None, typer.Option(help="Only this room's.")] = None,
        case: Annotated[
            str | None, typer.Option(help="Only what met this case; none: what met no case.")
        ] = None,
        held_by: Annotated[
            str | None, typer.Option(help="What this person holds; else what no person does goes.")
        ] = None,
        ended: Annotated[
            bool, typer.Option("--ended", help="What ended and may go again, not what is held.")
        ] = False,
        yes: Annotated[bool, typer.Option("--yes", help="Send the safe ones again.")] = False,
        as_json: Json = False,
    ) -> None:
        """Say what is held and what of it may go again; with --yes, send that.

        What may be out already is never among it: look each up at its provider. What is unknown
        for over ten minutes, and what was taken and never heard of, is told as well.
        """
        heaps, over, unknown, unheard, sent = ask(
            make(), lambda services: _replay(services, integration, case, held_by, ended, yes)
        )
        if as_json:
            shown = {
                "heaps": [asdict(heap) for heap in heaps],
                "ended": [asdict(one) for one in over],
                "unknown": [asdict(one) for one in unknown],
                "unheard": [asdict(one) for one in unheard],
                "sent": sent,
            }
            print(json.dumps(shown, indent=2, default=str))
            return
        for one in unknown:
            print(f"{one.number} perhaps sent by {one.provider}, and {_asked(one)}")
        for silent in unheard:
            print(
                f"{silent.number} taken by {silent.provider} and never heard of, to"
                f" {silent.people} people"
            )
        for heap in heaps:
            print(_told(heap))
        for past in over:
            print(
                f"{past.case_id or 'no case'} ({past.integration}): {past.may_go} ended and may go"
                f" again with --ended, {past.gone} not kept here any more"
            )
        if not heaps:
            print("nothing is held")
        if yes:
            print(f"{sent} go again")
        elif any(heap.safe and heap.held_by == held_by for heap in heaps):
            print("nothing was changed; --yes sends the safe ones again")
        if held_by is None and any(heap.safe and heap.held_by for heap in heaps):
            print("what a person holds stays; --held-by NAME --yes sends theirs: ask them first")


def _told(heap: Heap) -> str:
    safe, held = "safe to send", ""
    if heap.held_by is not None:
        safe, held = (
            "not sent yet",
            f"held by {heap.held_by} since {heap.held_at:%Y-%m-%d %H:%M} UTC: {heap.why}; ",
        )
    return (
        f"{heap.case_id or 'no case'} ({heap.integration}): {held}{heap.safe} {safe},"
        f" {heap.perhaps_sent} perhaps sent, {heap.of_no_use} of no use any more,"
        f" {heap.people} people"
    )


def _asked(one: LongUnknown) -> str:
    if one.breaker_open:
        return "nobody is asked: the breaker is open"
    return "nobody is asked: the lane is paused" if one.paused else "still asked for"


async def _replay(
    services: Services,
    integration: str | None,
    case: str | None,
    held_by: str | None,
    ended: bool,
    yes: bool,
) -> tuple[list[Heap], list[EndedHeap], Sequence[LongUnknown], Sequence[Unheard], int]:
    from mentalspace.engine import again
    from mentalspace.engine.replay import Hold, preflight, replay
    from mentalspace.engine.unheard import read_unheard
    from mentalspace.engine.unknown import read_long_unknown

    async with services.database.as_oncall() as connection:
        hold = Hold(held_by)
        only = hold if held_by else None
        heaps = await preflight(connection, integration, case, hold=only)
        over = await again.preflight(connection, services.rooms, integration, case)
        unknown, unheard = await read_long_unknown(connection), await read_unheard(connection)
        these = ("command line", integration, case)
        if not yes:
            sent = 0
        elif ended:
            new = again.send_again(services.database, connection, services.rooms, *these)
            sent = len((await new)[1])
        else:
            sent = (await replay(connection, *these, hold=hold))[1]
    return heaps, over, unknown, unheard, sent
