"""The runbook on the command line: check it, list it, read a page of it."""

from __future__ import annotations

import sys
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from mentalspace.cli import runbook_export
from mentalspace.cli.application import Application, MakeApplication
from mentalspace.cli.table import table
from mentalspace.kernel.errors import Refused

if TYPE_CHECKING:
    from mentalspace.engine.runbook import Issue, Problem, Runbooks


def add(app: typer.Typer, make: MakeApplication) -> None:
    runbook = typer.Typer(help="The error cases, issues and drills.", no_args_is_help=True)
    app.add_typer(runbook, name="runbook")
    runbook_export.add(runbook, make)

    @runbook.command()
    def check() -> None:
        """Every mistake in the runbooks, with its file, line and cure; overdue reviews too."""
        problems = find_problems(make())
        for problem in problems:
            print(problem, file=sys.stderr)
        errors = sum(problem.severity == "error" for problem in problems)
        warnings = len(problems) - errors
        if errors:
            print(f"{errors} to correct, {warnings} warnings", file=sys.stderr)
            raise typer.Exit(1)
        print(f"the runbooks hold, {warnings} warnings")

    @runbook.command()
    def show(page_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
        """One case, issue or drill as text."""
        print(page(make().runbooks(), page_id))

    @runbook.command("list")
    def list_() -> None:
        """Every page by its id."""
        runbooks = make().runbooks()
        today = date.today()
        rows = [
            (case.id, "case", case.severity.value, case.disposition.value,
             "review overdue" if case.review_overdue(today) else "", case.title)
            for case in runbooks.cases
        ]  # fmt: skip
        issues = [issue for room in runbooks.rooms for issue in room.issues]
        rows += [(i.id, "issue", "", "", _overdue(i, today), i.title) for i in issues]
        rows += [
            (rule.id, "alert", rule.severity.value, "", "", rule.title) for rule in runbooks.alerts
        ]
        rows += [(drill.id, "drill", "", "", "", drill.title) for drill in runbooks.all_drills]
        print(table(("id", "is", "severity", "disposition", "review", "title"), rows))


def find_problems(application: Application) -> list[Problem]:
    """What cannot be read and what does not hold, overlay included."""
    from mentalspace.engine.runbook import check, read_runbooks

    rooms = list(application.rooms().values())
    runbooks, problems = read_runbooks(rooms, application.settings.runbooks)
    if runbooks is not None:
        problems += check(runbooks, today=date.today(), known_steps=application.step_names())
    return problems


def page(runbooks: Runbooks, page_id: str) -> str:
    """A page's text by its id. Raises Refused if no page has it."""
    from mentalspace.engine.runbook import to_text

    for case in runbooks.cases:
        if case.id == page_id:
            return to_text(case)
    for room in runbooks.rooms:
        for issue in room.issues:
            if issue.id == page_id:
                return _issue_text(issue)
        for drill in room.drills:
            if drill.id == page_id:
                proves = ", ".join(drill.cases) or "no case"
                text = drill.path.read_text(encoding="utf-8").rstrip()
                return f"{drill.id} · {drill.title}\n\nProves {proves}\n\n{text}\n"
    if (house := runbooks.house_issue(page_id)) is not None:
        return _issue_text(house)
    for rehearsal in runbooks.rehearsals:
        if rehearsal.id == page_id:
            text = rehearsal.path.read_text(encoding="utf-8").rstrip()
            rules = f"Proves {', '.join(rehearsal.proves)}\n\n" if rehearsal.proves else ""
            return f"{rehearsal.id} · {rehearsal.title}\n\n{rules}{text}\n"
    raise Refused("no_such_page", f"no page has the id {page_id!r}; see `mentalspace runbook list`")


def _issue_text(issue: Issue) -> str:
    diagnosis = [f"  {check.title}\n    {check.run.strip()}" for check in issue.diagnosis]
    parts = [
        f"{issue.id} · {issue.title}",
        _listed("Symptoms", issue.symptoms),
        "\n".join(["Diagnosis", *diagnosis]),
        _listed("Resolution", issue.resolution),
        _listed("Prevention", issue.prevention),
        issue.body.strip(),
    ]
    return "\n\n".join(part for part in parts if part)


def _listed(title: str, items: tuple[str, ...]) -> str:
    return "\n".join([title, *(f"  {number}. {item}" for number, item in enumerate(items, 1))])


def _overdue(issue: Issue, today: date) -> str:
    return "review overdue" if today > issue.next_review else ""
