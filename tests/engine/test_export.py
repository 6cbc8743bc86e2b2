"""What the runbooks become for Prometheus and Grafana, judged by Prometheus's own tool."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mentalspace.engine.export import (
    dashboard_of,
    expressions_of,
    house_dashboard,
    rules_of,
    unit_tests_of,
)
from mentalspace.engine.export.guard import STEPS, approximate, k_min, steps
from mentalspace.engine.export.prometheus import alert_name
from mentalspace.engine.metrics import FAMILIES
from mentalspace.engine.runbook import AlertState, Runbooks, load_runbooks
from mentalspace.integrations import discover_rooms
from tests.watchers import promtool

SITE = "https://clinic.example"
RULES, TESTS = "mentalspace.rules.yml", "mentalspace.tests.yml"


@pytest.fixture(scope="module")
def books() -> Runbooks:
    return load_runbooks(list(discover_rooms().values()), None)


@pytest.fixture
def written(books: Runbooks, tmp_path: Path) -> Path:
    """A directory with the rules and their unit tests."""
    (tmp_path / RULES).write_text(rules_of(books, SITE))
    (tmp_path / TESTS).write_text(unit_tests_of(books, SITE))
    return tmp_path


# The guard ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("healthy", [0.0005, 0.001, 0.01, 0.02, 0.05])
def test_the_guard_is_the_evaluators(healthy: float) -> None:
    """As far as it is written out it is exact; beyond, it asks for a few more, never for fewer."""
    last = steps(healthy)[-1]
    for n in [*range(1, min(300, last)), *range(300, last + 1, max(1, last // 50)), last]:
        assert approximate(n, healthy) == k_min(n, healthy), n
    for n in range(last + 1, 20 * last, max(1, last // 5)):
        assert 0 <= approximate(n, healthy) - k_min(n, healthy) <= 3, n
    assert len(steps(healthy)) == STEPS


# The rules ----------------------------------------------------------------------------------------


def test_promtool_takes_the_rules_and_their_tests_pass(written: Path, books: Runbooks) -> None:
    """Each live rule fires on its series and is quiet below its line or within chance."""
    checked = promtool("check", "rules", RULES, cwd=written)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for room in books.rooms:
        # By rooms: promtool evaluates every rule of a file in every test of it.
        alone, home = replace(books, rooms=(room,)), written / room.room
        home.mkdir()
        (home / RULES).write_text(rules_of(alone, SITE))
        (home / TESTS).write_text(unit_tests_of(alone, SITE))
        ran = promtool("test", "rules", TESTS, cwd=home)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    text, tests = (written / RULES).read_text(), (written / TESTS).read_text()
    for rule in books.alerts:
        live = rule.state is AlertState.LIVE
        assert (f"alert: {alert_name(rule.id)}\n" in text) is live, rule.id
        assert (f"name: {rule.id} fires\n" in tests) is live, rule.id


def test_their_tests_see_a_wrong_rule(books: Runbooks, tmp_path: Path) -> None:
    """Each rule that was changed by hand fails the test that came with it, and no other does."""
    email = replace(books, rooms=(books.room("email"),))
    (tmp_path / TESTS).write_text(unit_tests_of(email, SITE))
    text = rules_of(email, SITE)
    for was, becomes in (
        (" >= 5\n", " >= 6\n"),  # a line that is too high
        ("> 0.05\n          and mentalspace:", "> 0.05\n          or mentalspace:"),  # no guard
        ('status=~"refused|failed|expired"', 'status="refused"'),  # not all of the bad ones
        (">= 0.288\n", "> 0.99\n"),  # a budget that may burn
        (">= 0.12\n", "> 0.99\n"),
        ("breaker_open_seconds", "queue_oldest_seconds"),  # another series
    ):
        assert was in text
        text = text.replace(was, becomes)
    (tmp_path / RULES).write_text(text)
    assert promtool("check", "rules", RULES, cwd=tmp_path).returncode == 0
    ran = promtool("test", "rules", TESTS, cwd=tmp_path)
    assert ran.returncode == 1
    wrong = set(re.findall(r"alertname: (\w+)", ran.stdout + ran.stderr))
    assert wrong >= {
        "EmailConsecutiveFailures",
        "EmailBounceRateHigh",
        "EmailDeliveryRateLow",
        "EmailBudgetBurns",
        "EmailBreakerStaysOpen",
    }
    assert not wrong & {"EmailComplaintRateHigh", "EmailNothingSent"}


def test_the_same_runbooks_give_the_same_text(books: Runbooks) -> None:
    """Read anew, they export the same to the letter: a difference is a change of a runbook."""
    again = load_runbooks(list(discover_rooms().values()), None)
    assert rules_of(again, SITE) == rules_of(books, SITE)
    assert unit_tests_of(again, SITE) == unit_tests_of(books, SITE)
    assert [dashboard_of(room) for room in again.rooms] == [dashboard_of(r) for r in books.rooms]


def test_every_rule_leads_to_its_page(books: Runbooks) -> None:
    """Whoever is woken has a link to an issue or case that is in the runbook."""
    found = re.findall(rf"runbook_url: \"?{SITE}/runbook/([^\"\n]+)", rules_of(books, SITE))
    pages = {f"issues/{issue.id}" for room in books.rooms for issue in room.issues}
    pages |= {case.id for case in books.cases}
    assert found
    assert set(found) <= pages


# What is asked for is there -----------------------------------------------------------------------


def test_only_series_that_are_exported_are_asked_for(books: Runbooks) -> None:
    """Rules, tests and dashboards name no series that /metrics does not have."""
    dashboards = [*(dashboard_of(room) for room in books.rooms), house_dashboard()]
    asked = [rules_of(books, SITE), unit_tests_of(books, SITE)]
    asked += [expression for board in dashboards for expression in expressions_of(board)]
    named = set(re.findall(r"\bmentalspace_(\w+)", "\n".join(asked)))
    assert len(named) > 20
    exported = {name for family in FAMILIES.values() for name in _names(family.name, family.kind)}
    exported |= {"http_requests_total", "http_request_seconds_bucket"}
    assert named <= exported


def _names(name: str, kind: str) -> set[str]:
    match kind:
        case "counter":
            return {f"{name}_total"}
        case "histogram":
            return {f"{name}_{part}" for part in ("bucket", "count", "sum")}
        case _:
            return {name}


def test_every_counted_metric_of_a_room_has_its_panel(books: Runbooks) -> None:
    """A room's dashboard shows each metric that is counted, with its target as a line."""
    for room in books.rooms:
        board = dashboard_of(room)
        assert board["uid"] == f"mentalspace-{room.room}"
        panels = {panel["title"]: panel for panel in board["panels"]}
        for metric in room.overview.metrics:
            if metric.measure is None:
                continue
            defaults = panels[f"{metric.title}, a day"]["fieldConfig"]["defaults"]
            assert defaults["thresholds"]["steps"][1]["value"] == metric.target
