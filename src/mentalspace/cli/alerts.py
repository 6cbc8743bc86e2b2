"""Alert rules from the command line: where they stand, silences, and a practice's hours."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask
from mentalspace.cli.system import Json
from mentalspace.cli.table import table
from mentalspace.kernel.errors import Refused

if TYPE_CHECKING:
    from mentalspace.engine.alert_board import BoardLine
    from mentalspace.engine.alert_silence import Silence
    from mentalspace.engine.db import Connection
    from mentalspace.engine.house_board import HouseLine
    from mentalspace.engine.services import Services

ACTOR = "command line"
_MOST = 1000
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LENGTH = re.compile(r"(\d{1,5})(min|h|d)")
_UNIT = {"min": "minutes", "h": "hours", "d": "days"}
_HOURS = re.compile(r"([a-z]{3})(?:-([a-z]{3}))? (\d{1,2})(?::([0-5]\d))?-(\d{1,2})(?::([0-5]\d))?")


def add(app: typer.Typer, make: MakeApplication) -> None:
    alerts = typer.Typer(help="Alert rules, their states and silences.")
    app.add_typer(alerts, name="alerts")

    @alerts.callback(invoke_without_command=True)
    def show(
        context: typer.Context,
        every: Annotated[bool, typer.Option("--all", help="The quiet ones too.")] = False,
        as_json: Json = False,
    ) -> None:
        """Every rule that is not at rest, with what it saw; --all for every one."""
        if context.invoked_subcommand is not None:
            return
        lines, silences, house = ask(make(), _board)
        if as_json:
            told = [*(_plain(line) for line in lines), *(_plain_house(line) for line in house)]
            print(json.dumps(told, indent=2, default=str))
            return
        print(_shown(lines, every))
        for each_line in house_lines(house, every):
            print(each_line)
        for each in silences:
            print(f"silenced until {each.until_at:%Y-%m-%d %H:%M} UTC: {_about(each)} ({each.id})")

    @alerts.command("show")
    def show_rule(
        rule: Annotated[str, typer.Argument(metavar="RULE")],
        hours: Annotated[int, typer.Option(min=1, max=336, help="How far back.")] = 24,
    ) -> None:
        """One rule with every credential, and each change of its state."""
        print(ask(make(), lambda services: _told(services, rule, hours)))

    @alerts.command()
    def silence(
        lasts: Annotated[str, typer.Option("--for", help="Such as 30min, 4h or 2d; 7d at most.")],
        reason: Annotated[str, typer.Option(help="Why, for whoever is on call next.")],
        rule: Annotated[str | None, typer.Option(help="A rule's id.")] = None,
        integration: Annotated[str | None, typer.Option(help="A room.")] = None,
        practice: Annotated[str | None, typer.Option(help="Slug or id.")] = None,
    ) -> None:
        """Page nobody of a rule, an integration or a practice for a while. Prints its id."""
        length = read_length(lasts)
        print(ask(make(), lambda s: _silence(s, rule, integration, practice, reason, length)))

    @alerts.command()
    def lift(silence_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
        """A silence ends now."""
        try:
            wanted = UUID(silence_id)
        except ValueError as error:
            raise Refused("no_such_silence", "there is no silence of that id") from error
        ask(make(), lambda services: _lift(services, wanted))
        print("the silence is lifted")

    @alerts.command()
    def hours(
        practice: Annotated[str, typer.Argument(help="Slug or id.")],
        opening: Annotated[list[str], typer.Argument(help="Such as 'mon-fri 8-18' 'sat 9:30-12'.")],
    ) -> None:
        """When a practice is open, on its own clock: silence is missed in these hours only."""
        week = read_week(opening)
        ask(make(), lambda services: _open(services, practice, week))
        print(f"{practice} is open {', '.join(opening)}")


def read_length(text: str) -> timedelta:
    """Raises Refused for what is no length."""
    found = _LENGTH.fullmatch(text.replace(" ", ""))
    if found is None:
        raise Refused("no_length", f"{text!r} is no length; write 30min, 4h or 2d")
    return timedelta(**{_UNIT[found[2]]: int(found[1])})


def read_week(texts: list[str]) -> list[list[int] | None]:
    """A window of minutes for each day, Monday first. Raises Refused for what is none."""
    week: list[list[int] | None] = [None] * 7
    for text in texts:
        found = _HOURS.fullmatch(text.strip().lower())
        days = [found[1], found[2] or found[1]] if found else []
        if found is None or not set(days) <= set(_DAYS):
            raise Refused("no_hours", f"{text!r} are no hours; write them like 'mon-fri 8-18'")
        first, last = (_DAYS.index(day) for day in days)
        window = [int(found[3]) * 60 + int(found[4] or 0), int(found[5]) * 60 + int(found[6] or 0)]
        if not 0 <= window[0] < window[1] <= 1440 or last < first:
            raise Refused("no_hours", f"{text!r} ends before it begins, or outside a day")
        week[first : last + 1] = [window] * (last - first + 1)
    if not any(week):
        raise Refused("no_hours", "some day must be open")
    return week


async def _board(services: Services) -> tuple[list[BoardLine], list[Silence], list[HouseLine]]:
    from mentalspace.engine.alert_board import read_board
    from mentalspace.engine.alert_silence import standing_silences
    from mentalspace.engine.house_board import read_house

    async with services.database.as_oncall() as connection:
        silences = await standing_silences(connection)
        board = await read_board(connection, connection, services.runbooks, silences)
        return board, silences, await read_house(connection, services.runbooks)


def house_lines(house: Sequence[HouseLine], every: bool) -> list[str]:
    """The house's own rules: those that fire with what they say, or all of them."""
    firing = [line for line in house if line.firing]
    lines = [f"{len(house)} rules of the house itself, {len(firing) or 'none'} firing"]
    shown = house if every else firing
    if not shown:
        return lines
    rows = [
        (
            line.state,
            line.rule.id,
            "; ".join(each.title for each in line.firing) or line.proof.watches,
            _proven_house(line),
        )
        for line in shown
    ]
    return [*lines, table(("state", "rule", "seen", "proven"), rows)]


def _proven_house(line: HouseLine) -> str:
    return "by a test" if line.drill is None else _proven(line)


def _shown(lines: list[BoardLine], every: bool) -> str:
    rows = [
        (
            each.state.value.replace("_", " "),
            line.rule.id,
            f"{each.practice_name} {each.provider}/{each.endpoint}",
            f"{each.since:%m-%d %H:%M}",
            each.seen + (" (silenced)" if each.silence else ""),
            _proven(line),
        )
        for line in lines
        for each in line.worst
        if every or each.state.value not in ("normal", "no_data")
    ]
    if not rows:
        return f"{len(lines)} rules, none of them alerting"
    more = [
        f"{line.unshown} more of {line.rule.id}: mentalspace alerts show {line.rule.id}"
        for line in lines
        if line.unshown and (every or line.worst[-1].state.value not in ("normal", "no_data"))
    ]
    shown = table(("state", "rule", "credential", "since", "seen", "proven"), rows)
    return "\n".join([shown, *more])


def _proven(line: BoardLine | HouseLine) -> str:
    """The day it last fired in a drill, `stale` if what it says was changed since."""
    if line.proven.proof is None:
        return "never"
    return f"{line.proven.proof.at:%Y-%m-%d}" + (" stale" if line.proven.stale else "")


async def _told(services: Services, rule_id: str, hours: int) -> str:
    from mentalspace.engine.alert_board import read_board
    from mentalspace.engine.alert_history import read_changes
    from mentalspace.engine.alert_silence import standing_silences

    async with services.database.as_oncall() as connection:
        board = await read_board(
            connection,
            connection,
            services.runbooks,
            await standing_silences(connection),
            rule_id=rule_id,
            shown=_MOST,
        )
        if not board:
            return await _told_of_house(connection, services, rule_id)
        line = board[0]
        pairs = [(rule_id, each.credential_id) for each in line.worst]
        since = await connection.fetchval("select app.now()") - timedelta(hours=hours)
        changes = await read_changes(connection, pairs, since)
    return "\n".join(
        [
            f"{line.rule.title} ({line.rule.severity.value})",
            f"holds when {line.line}",
            f"first: {line.rule.action}",
            f"proven by {line.drill}: {_proven(line)}",
            "",
            _shown([line], True),
            "",
            *(
                f"{change.at:%m-%d %H:%M:%S}  {each.practice_name} {each.provider}/{each.endpoint}"
                f"  {change.state.value.replace('_', ' ')}"
                for each in line.worst
                for change in changes.get((rule_id, each.credential_id), ())
            ),
        ]
    )


async def _told_of_house(connection: Connection, services: Services, rule_id: str) -> str:
    from mentalspace.engine.house_board import read_house

    house = await read_house(connection, services.runbooks, rule_id)
    if not house:
        raise _no_rule(rule_id)
    line = house[0]
    if line.drill is not None:
        proof = f"proven by {line.drill}: {_proven(line)}"
    else:
        proof = f"proven by no drill but by a test, {line.proof.test}: {line.proof.instead}"
    return "\n".join(
        [
            f"{line.rule.title} ({line.rule.severity.value})",
            f"holds when: {line.proof.watches}",
            f"first: {line.rule.first_step}",
            proof,
            f"runbook: mentalspace runbook show {rule_id}",
            "",
            line.state,
            *(f"{each.since:%m-%d %H:%M}  {each.title}" for each in line.firing),
        ]
    )


def _no_rule(rule_id: str) -> Refused:
    return Refused("no_such_rule", f"there is no rule {rule_id!r}; see mentalspace alerts --all")


def _about(silence: Silence) -> str:
    parts = (silence.rule_id, silence.integration, silence.practice_name)
    return f"{', '.join(filter(None, parts))}: {silence.reason}"


def _plain(line: BoardLine) -> dict[str, Any]:
    return {
        "rule": line.rule.id,
        "integration": line.integration,
        "line": line.line,
        "state": line.state.value,
        "counts": {state.value: number for state, number in line.counts.items()},
        "standings": [
            {
                "practice": each.practice_name,
                "credential": f"{each.provider}/{each.endpoint}",
                "state": each.state.value,
                "since": each.since,
                "value": each.value,
                "n": each.n,
                "seen": each.seen,
                "silenced": each.silence is not None,
            }
            for each in line.worst
        ],
        "last_proven": line.proven.proof.at if line.proven.proof else None,
        "run": line.proven.proof.run_id if line.proven.proof else None,
        "stale": line.proven.stale,
    }


def _plain_house(line: HouseLine) -> dict[str, Any]:
    return {
        "rule": line.rule.id,
        "integration": "house",
        "line": line.proof.watches,
        "state": line.state,
        "firing": [{"title": each.title, "since": each.since} for each in line.firing],
        "last_proven": line.proven.proof.at if line.proven.proof else None,
        "run": line.proven.proof.run_id if line.proven.proof else None,
        "stale": line.proven.stale,
        "test": line.proof.test,
    }


async def _silence(
    services: Services,
    rule: str | None,
    integration: str | None,
    practice: str | None,
    reason: str,
    lasts: timedelta,
) -> UUID:
    from mentalspace.cli.tokens import practice_id_of
    from mentalspace.engine.alert_silence import NewSilence, add_silence

    practice_id = await practice_id_of(services, practice) if practice else None
    new = NewSilence(rule, integration, practice_id, reason, lasts)
    async with services.database.as_oncall() as connection:
        return await add_silence(connection, services.runbooks, new, ACTOR)


async def _lift(services: Services, silence_id: UUID) -> None:
    from mentalspace.engine.alert_silence import lift_silence

    async with services.database.as_oncall() as connection:
        if not await lift_silence(connection, silence_id, ACTOR):
            raise Refused("no_such_silence", "no silence of that id holds now")


async def _open(services: Services, practice: str, week: list[list[int] | None]) -> None:
    from mentalspace.cli.tokens import practice_id_of

    practice_id = await practice_id_of(services, practice)
    async with services.database.as_oncall() as connection:
        await connection.execute(
            "update practice set opening = $2 where id = $1", practice_id, week
        )
