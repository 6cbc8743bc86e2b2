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
    from mentalspace.engine.channel_state import Outside
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
        """The verdict, the last test, and what the outside service answers that is called each
        minute. Exits with 1 if one of them does not work.
        """
        words, test, outside, well = ask(make(), _read)
        print(f"alarm: {words}")
        for line in [*_lines(test), _outside_line(outside)]:
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


async def _read(services: Services) -> tuple[str, Any, Outside, bool]:
    from mentalspace.engine.alarm import last_test, read_alarm
    from mentalspace.engine.channel_state import read_outside

    is_set = services.settings.heartbeat_url is not None
    async with services.database.as_oncall() as connection:
        state, test = await read_alarm(connection), await last_test(connection)
        outside = await read_outside(connection, is_set=is_set)
    return state.words, test, outside, state.is_well and outside.error is None


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


def _outside_line(outside: Outside) -> str:
    if not outside.is_set:
        return (
            "outside: nobody listens; set MENTALSPACE_HEARTBEAT_URL, or silence of all is not told"
        )
    taken = f"{outside.taken_at:%Y-%m-%d %H:%M:%S} UTC" if outside.taken_at else "never"
    if outside.error:
        since = f"{outside.failing_since:%Y-%m-%d %H:%M:%S} UTC"
        return (
            f"outside: THE CALL IS NOT TAKEN: {outside.error}, since {since}; last taken: {taken}"
        )
    withheld = ", withheld since: nobody can be paged or a loop is silent"
    return f"outside: the call was taken last: {taken}{withheld if outside.is_withheld else ''}"


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
