"""`mentalspace drill`: simulate failures one by one, or hold a game day and keep its evidence."""

from __future__ import annotations

import asyncio
import getpass
import json
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mentalspace.cli.application import Application, MakeApplication
from mentalspace.cli.ask import ask, require_up
from mentalspace.cli.span import parse_span
from mentalspace.cli.system import Json
from mentalspace.kernel.errors import MentalSpaceError, NotUp, Refused

if TYPE_CHECKING:
    from mentalspace.drills.run import DrillResult
    from mentalspace.engine.services import Services
    from mentalspace.workflows.game_day import Day, Verdict

# What a drill's line of `--json` holds, in this order.
DRILL_FIELDS = ("id", "passed", "expected", "observed", "seconds")
VERIFY = "verify"


def add(app: typer.Typer, make: MakeApplication) -> None:
    @app.command()
    def drill(
        selection: Annotated[
            list[str] | None,
            typer.Argument(metavar="[ROOM[/DRILL]]... | verify [REPORT]", show_default=False),
        ] = None,
        everything: Annotated[
            bool,
            typer.Option("--all", help="A game day: all drills, or those of the rooms."),
        ] = False,
        traffic: Annotated[
            float, typer.Option(help="Ordinary messages a minute on a game day; 0 for none.")
        ] = 30.0,
        within: Annotated[
            str, typer.Option(help="After so long a game day begins no further drill.")
        ] = "60m",
        to: Annotated[
            Path | None, typer.Option(help="Where its report goes; else reports/ of the home.")
        ] = None,
        by: Annotated[str | None, typer.Option(help="Who holds it, for the report.")] = None,
        gaps: Annotated[
            bool, typer.Option("--gaps", help="Cases and rules that no drill has proven.")
        ] = False,
        anyway: Annotated[
            bool, typer.Option("--anyway", help="Hold it though a room has an open incident.")
        ] = False,
        last: Annotated[bool, typer.Option("--last", help="Verify the newest game day.")] = False,
        as_json: Json = False,
    ) -> None:
        """Simulate failures, or list the drills if none is named.

        With --all it is a game day: under ordinary traffic, with a report of its evidence, which
        `drill verify` holds against its chain.
        """
        chosen = list(selection or [])
        if last and chosen[:1] != [VERIFY]:
            raise Refused("which_report", "--last belongs to `mentalspace drill verify --last`")
        if chosen[:1] == [VERIFY]:
            raise typer.Exit(_verify(make(), chosen[1:], last, as_json))
        if gaps:
            raise typer.Exit(_gaps(make(), as_json))
        application = make()
        if not (chosen or everything or as_json):
            for known in application.runbooks().all_drills:
                print(f"{known.id:<44}{known.title}")
            return
        if application.settings.is_production:
            raise Refused("production", "production runs no drills: they break things on purpose")
        if everything:
            limits = (_per_minute(traffic), parse_span(within).total_seconds())
            plan = Planned(by or f"{_user()}, command line", chosen, limits, anyway)
            raise typer.Exit(_hold(application, plan, to, as_json))
        require_up(application)
        say = _to_stderr if as_json else print
        results = ask(application, lambda services: application.run_drills(services, chosen, say))
        if as_json:
            print(json.dumps(_summary(results), indent=2, default=str))
        else:
            for line in drill_lines(results):
                print(line)
        raise typer.Exit(0 if results and all(result.passed for result in results) else 1)


def drill_lines(results: Any) -> list[str]:
    """The verdict; for each failure what was missing."""
    failed = [result for result in results if not result.passed]
    lines = [f"{len(results) - len(failed)} passed, {len(failed)} failed"]
    for result in failed:
        missing = result.observed.get("missing") or [result.observed.get("error", "no reason")]
        lines.append(f"  {result.id}: {'; '.join(map(str, missing))}")
    return lines


def _summary(results: Any) -> dict[str, Any]:
    passed = sum(result.passed for result in results)
    drills = [_drill(result) for result in results]
    return {"passed": passed, "failed": len(drills) - passed, "drills": drills}


def _drill(result: DrillResult) -> dict[str, Any]:
    known = {f.name for f in fields(result)}
    return {name: getattr(result, name) for name in DRILL_FIELDS if name in known}


# Game days ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Planned:
    """`limits` are messages a minute, and seconds after which no drill begins."""

    actor: str
    rooms: list[str]
    limits: tuple[float, float]
    anyway: bool


def _hold(application: Application, plan: Planned, folder: Path | None, as_json: bool) -> int:
    from mentalspace.workflows.game_day.report import write_report

    require_up(application)
    say = _to_stderr if as_json else print
    day = ask(application, lambda services: _held(services, plan, say))
    titles = {name: room.title for name, room in application.rooms().items()}
    where = folder or application.settings.home / "reports"
    try:
        written = write_report(day, titles, where)
    except OSError as error:
        raise MentalSpaceError(f"{where}: {error.strerror}; the database has it all") from error
    if as_json:
        print(json.dumps({**_told(day), "report": [str(path) for path in written]}, indent=2))
    else:
        for line in day_lines(day):
            print(line)
        for path in written:
            print(f"report    {path}")
    return 0 if day.all_well else 1


async def _held(services: Services, plan: Planned, say: Any) -> Day:
    from mentalspace.drills.game_day import GameDay, Plan
    from mentalspace.workflows.game_day import find_day

    per_minute, within_s = plan.limits
    wanted = Plan(plan.actor, plan.rooms, per_minute, within_s, plan.anyway)
    held = GameDay(services, wanted, say)
    await held.open()
    say(
        f"game day {held.id}: {len(held.drills)} drills, about {_minutes(held.estimate_s)}, at "
        f"most {_minutes(within_s)}; {per_minute:g} ordinary messages a minute meanwhile"
    )
    say("Ctrl-C ends it early: what is broken is healed, and the report tells what ran")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, held.stop.set)
    try:
        await held.hold()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    async with services.database.as_oncall() as connection:
        found = await find_day(connection, held.id)
    assert found is not None
    return found


def day_lines(day: Day) -> list[str]:
    """What is worth knowing at once; the report has the rest."""
    from mentalspace.workflows.game_day.paper import verdict

    told = _told(day)
    lines = ["", verdict(day)]
    for name, figures in (
        ("detect", told["time_to_detect_s"]),
        ("recover", told["time_to_recover_s"]),
    ):
        if figures["n"]:
            lines.append(
                f"time to {name}: median {figures['median']:.1f} s, 95 of 100 within "
                f"{figures['p95']:.1f} s, longest {figures['max']:.1f} s (n = {figures['n']})"
            )
    fared = told["background"]
    if fared.get("per_minute"):
        lines.append(background_line(fared))
    for run in (*day.failed, *day.interrupted):
        lines.append(f"  {run['drill']}: {'; '.join(run['missing'])}")
    if day.not_run:
        lines.append(f"  not run: {', '.join(day.not_run)}")
    return [*lines, f"evidence  {len(day.entries)} entries, head {day.head}"]


def background_line(fared: dict[str, Any]) -> str:
    """How long it took says something of those alone that arrived."""
    line = (
        f"background: {fared['sent']} sent, {fared['arrived']} arrived, {fared['under_way']} still"
        f" under way, {fared['lost']} lost, {fared['twice']} twice"
    )
    if not fared["waited_s"]:
        return line
    return f"{line}; of those that arrived 95 of 100 within {fared['waited_s']['p95']:.1f} s"


def _told(day: Day) -> dict[str, Any]:
    closed = dict(day.closed or {})
    return {
        "game_day": day.id,
        "ok": day.all_well,
        "lasted_s": day.lasted_s,
        "planned": len(day.opened["planned"]),
        "head": day.head,
        **closed,
        "time_to_detect_s": closed.get("time_to_detect_s") or {"n": 0},
        "time_to_recover_s": closed.get("time_to_recover_s") or {"n": 0},
        "background": closed.get("background") or {},
    }


def _per_minute(traffic: float) -> float:
    if not 0 <= traffic <= 600:
        raise Refused("bad_traffic", "--traffic: give messages a minute, from 0 to 600")
    return traffic


# Evidence -----------------------------------------------------------------------------------------


def _verify(application: Application, named: list[str], last: bool, as_json: bool) -> int:
    verdict = _verdict(application, named, last)
    if as_json:
        told = {
            "game_day": verdict.chain,
            "holds": verdict.holds,
            "entries": verdict.entries,
            "head": verdict.head,
            "checked": verdict.checked,
            "altered": list(verdict.altered),
            "under_way": verdict.under_way,
        }
        print(json.dumps(told, indent=2))
    else:
        word = "holds" if verdict.holds else "DOES NOT HOLD"
        if verdict.under_way:
            word = f"is still under way and {word} so far; its end is not written yet"
        print(f"{verdict.chain} {word}: {verdict.entries} entries, checked {verdict.checked}")
        print(f"head {verdict.head}")
        for line in verdict.altered:
            print(f"  {line}")
    return 0 if verdict.holds else 1


def _verdict(application: Application, named: list[str], last: bool) -> Verdict:
    """Of a file, held against the ledger where that answers; or of the ledger's newest game day."""
    from mentalspace.workflows.game_day import find_day, verify_day, verify_file

    if last == bool(named) or len(named) > 1:
        raise Refused("which_report", "name a report's .json, or say --last")
    day = None if last else _read(Path(named[0]))

    async def against_ledger(services: Services) -> Verdict:
        async with services.database.as_oncall() as connection:
            found = day or await find_day(connection, None)
            if found is None:
                raise Refused("no_game_day", "none was held here; see `mentalspace drill --all`")
            return await verify_day(connection, found)

    if day is None:
        return ask(application, against_ledger)
    with suppress(NotUp):
        return ask(application, against_ledger)
    return verify_file(day)


def _read(file: Path) -> Day:
    from mentalspace.workflows.game_day import from_json
    from mentalspace.workflows.game_day.day import NoReport

    beside = file.with_suffix(".json") if file.suffix in (".html", ".pdf") else file
    try:
        return from_json(beside.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise MentalSpaceError(f"{beside}: {why}") from error
    except NoReport as error:
        raise NoReport(f"{beside}: {error}") from error


def _gaps(application: Application, as_json: bool) -> int:
    from mentalspace.engine.proof import all_proven, gaps

    runbooks = application.runbooks()

    async def proofs(services: Services) -> Any:
        async with services.database.as_oncall() as connection:
            return gaps(runbooks, await all_proven(connection), services.clock.now())

    found = ask(application, proofs)
    if as_json:
        told = [{"id": g.subject, "is": g.kind, "why": g.why, "drill": g.drill} for g in found]
        print(json.dumps(told, indent=2))
    else:
        for gap in found:
            cure = f"; mentalspace drill {gap.drill}" if gap.drill else ""
            print(f"{gap.kind}  {gap.subject}: {gap.why}{cure}")
        tested = [proof for proof in runbooks.house_proofs if proof.test is not None]
        for proof in tested:
            print(f"no drill  {proof.rule_id}: {proof.instead}; proven by {proof.test}")
        but = f", {len(tested)} of them by a test alone" if tested else ""
        done = f"every case and every rule was proven to fire{but}"
        print(f"{len(found)} gaps" if found else done)
    return 1 if found else 0


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)
