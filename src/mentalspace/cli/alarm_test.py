"""The alarm from the command line: how it stands, and a test page through every way."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask, require_up
from mentalspace.cli.system import Json

if TYPE_CHECKING:
    from mentalspace.engine.services import Services

ACTOR = "command line"
WITHIN_S = 60.0
LOOK_EVERY_S = 0.5


def add(app: typer.Typer, make: MakeApplication) -> None:
    alarm = typer.Typer(help="Whether anybody can be paged.", no_args_is_help=True)
    app.add_typer(alarm, name="alarm")

    @alarm.callback()
    def _() -> None: ...

    @alarm.command()
    def show() -> None:
        """The verdict, and the last test. Exits with 1 if a way to page does not work."""
        words, test, well = ask(make(), _read)
        print(f"alarm: {words}")
        for line in _lines(test):
            print(line)
        raise typer.Exit(0 if well else 1)

    @alarm.command()
    def test(as_json: Json = False) -> None:
        """Send a test page through every way to every colleague; says what became of each.

        Exits with 1 if one did not take it.
        """
        application = make()
        require_up(application)
        found = ask(application, _test)
        if found is None:
            print(f"no pager took the test up within {WITHIN_S:.0f} s: nobody can be paged")
            raise typer.Exit(1)
        if as_json:
            print(json.dumps({"passed": found["passed"], "ways": found["results"]}, indent=2))
        else:
            for line in _lines(found):
                print(line)
        raise typer.Exit(0 if found["passed"] else 1)


async def _read(services: Services) -> tuple[str, Any, bool]:
    from mentalspace.engine.alarm import last_test, read_alarm

    async with services.database.as_oncall() as connection:
        state = await read_alarm(connection)
        return state.words, await last_test(connection), state.is_well


async def _test(services: Services) -> Any | None:
    from mentalspace.engine.alarm import ask_test, last_test

    async with services.database.as_oncall() as connection:
        test_id = await ask_test(connection, ACTOR)
    for _ in range(int(WITHIN_S / LOOK_EVERY_S)):
        async with services.database.as_oncall() as connection:
            found = await last_test(connection, test_id)
        if found is not None and found["finished_at"] is not None:
            return found
        await asyncio.sleep(LOOK_EVERY_S)
    return None


def _lines(test: Any | None) -> list[str]:
    if test is None:
        return ["it has not been tested yet: mentalspace alarm test"]
    if test["finished_at"] is None:
        return [f"a test asked for by {test['asked_by']} is not done yet"]
    head = "all ways took the test" if test["passed"] else "THE TEST FAILED"
    ways = test["results"] or [{"way": "no way to page is known", "ok": False, "error": None}]
    return [
        f"{head}, {test['finished_at']:%Y-%m-%d %H:%M} UTC, asked for by {test['asked_by']}",
        *(
            f"  {'sent' if each['ok'] else 'FAILED':<8}{each['way']}"
            f"{': ' + each['error'] if each['error'] else ''}"
            for each in ways
        ),
    ]
