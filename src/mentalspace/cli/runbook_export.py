"""`mentalspace runbook export`: the runbooks for Prometheus and Grafana."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.kernel.errors import Refused

if TYPE_CHECKING:
    from mentalspace.engine.runbook import Runbooks

RULES, TESTS, HOUSE = "mentalspace.rules.yml", "mentalspace.tests.yml", "house"


def add(runbook: typer.Typer, make: MakeApplication) -> None:
    @runbook.command()
    def export(
        prometheus: Annotated[
            bool, typer.Option("--prometheus", help="recording and alerting rules")
        ] = False,
        prometheus_tests: Annotated[
            bool, typer.Option("--prometheus-tests", help="their unit tests, for promtool")
        ] = False,
        grafana: Annotated[
            bool, typer.Option("--grafana", help="the dashboards: all as a list, or a room's")
        ] = False,
        room: Annotated[
            str | None, typer.Option("--room", help="one room's dashboard, or that of the house")
        ] = None,
        into: Annotated[
            Path | None,
            typer.Option("--into", help="write all of them into a directory instead"),
        ] = None,
    ) -> None:
        """What other tools need to watch by the runbooks, printed, or written into a directory."""
        application = make()
        runbooks, site_url = application.runbooks(), application.settings.site_url
        if into is not None:
            _write(runbooks, site_url, into)
            return
        if (prometheus, prometheus_tests, grafana).count(True) != 1:
            text = "choose one of --prometheus, --prometheus-tests and --grafana, or --into"
            raise Refused("nothing_chosen", text)
        if prometheus:
            print(_rules(runbooks, site_url), end="")
        elif prometheus_tests:
            print(_tests(runbooks, site_url), end="")
        else:
            print(_dashboards(runbooks, room), end="")


def _rules(runbooks: Runbooks, site_url: str) -> str:
    from mentalspace.engine.export import rules_of

    return rules_of(runbooks, site_url)


def _tests(runbooks: Runbooks, site_url: str) -> str:
    from mentalspace.engine.export import unit_tests_of

    return unit_tests_of(runbooks, site_url, RULES)


def _dashboards(runbooks: Runbooks, room: str | None) -> str:
    from mentalspace.engine.export import dashboard_of, house_dashboard, to_json

    known = {each.room: dashboard_of(each) for each in runbooks.rooms}
    known[HOUSE] = house_dashboard()
    if room is None:
        return to_json(list(known.values()))
    if room not in known:
        raise Refused("no_such_room", f"no room is called {room!r}; there are {', '.join(known)}")
    return to_json(known[room])


def _write(runbooks: Runbooks, site_url: str, into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    texts = {RULES: _rules(runbooks, site_url), TESTS: _tests(runbooks, site_url)}
    for name in (*(room.room for room in runbooks.rooms), HOUSE):
        texts[f"grafana-{name}.json"] = _dashboards(runbooks, name)
    for name, text in texts.items():
        (into / name).write_text(text, encoding="utf-8")
        print(into / name)
