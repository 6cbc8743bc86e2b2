"""Every item of the seed is listed once, and whatever is said to show it exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from docs import generate
from mentalspace.engine.runbook import AlertState, CheckKind

ROOT = Path(__file__).parents[1]
PARTS = generate.checklist()
BOOKS = generate.runbooks()
ITEMS = {key: item for part in PARTS.values() for key, item in generate.items(part).items()}
PROOFS = [(key, proof) for key, item in ITEMS.items() for proof in item.get("shown", ())]


@pytest.mark.parametrize("prefix", PARTS)
def test_every_item_is_there(prefix: str) -> None:
    """The ids of a part run from 01 to its count, and the part holds nothing else."""
    part = PARTS[prefix]
    expected = [f"{prefix}-{number:02}" for number in range(1, part["count"] + 1)]
    assert list(generate.items(part)) == expected
    assert set(part) == {"title", "count", *expected}


def test_the_page_has_each_item_once() -> None:
    """What people read has one row for every item of the list."""
    page = (ROOT / "docs/seed-coverage.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| ([A-Z]{2}-\d\d) \|", page, re.MULTILINE) == list(ITEMS)


@pytest.mark.parametrize("key", ITEMS)
def test_an_item_says_where_it_stands(key: str) -> None:
    """An item has known keys only, and nothing counts as shown without a proof."""
    item = ITEMS[key]
    assert set(item) <= {"asks", "shown", "lacks"}
    assert item["asks"]
    assert item.get("shown") != []
    assert item.get("lacks") != ""


@pytest.mark.parametrize(("key", "proof"), PROOFS, ids=[f"{k} {p}" for k, p in PROOFS])
def test_a_proof_exists(key: str, proof: str) -> None:
    """Each case, drill, alert, query, page and test that an item names can be found."""
    kind, _, name = proof.partition(" ")
    assert kind in KNOWN, f"{key}: a proof is one of {', '.join(KNOWN)}"
    assert name in KNOWN[kind](), f"{key}: there is no {proof}"


def test_a_drill_and_the_list_agree() -> None:
    """The items that a drill says it shows name that drill, so that neither drifts alone."""
    said = {(key, drill.id) for drill in BOOKS.drills for key in drill.seed}
    listed = {
        (key, proof.removeprefix("drill ")) for key, proof in PROOFS if proof.startswith("drill ")
    }
    assert said <= listed, sorted(said - listed)


def test_a_room_that_is_not_built_claims_nothing() -> None:
    """Only parts whose room exists, and the escalation they share, show anything."""
    built = {prefix for key, _proof in PROOFS for prefix in [key.partition("-")[0]]}
    titles = {PARTS[prefix]["title"] for prefix in built} - {"Emergency response"}
    assert titles <= {room.overview.title for room in BOOKS.rooms}


# What there is -----------------------------------------------------------------------------------


def _cases() -> set[str]:
    return {case.id for case in BOOKS.cases}


def _drills() -> set[str]:
    return {drill.id for drill in BOOKS.all_drills}


def _alerts() -> set[str]:
    """Live ones: a declared rule is evaluated by nobody."""
    return {rule.id for rule in BOOKS.alerts if rule.state is AlertState.LIVE}


def _queries() -> set[str]:
    return {
        issue.id
        for room in BOOKS.rooms
        for issue in room.issues
        if any(check.kind is CheckKind.SQL for check in issue.diagnosis)
    }


@cache
def _pages() -> frozenset[str]:
    """Addresses that the console's routes name; a table's text is enough to know them."""
    source = (ROOT / "src/mentalspace/console/routes.py").read_text(encoding="utf-8")
    return frozenset(
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith("/")
    )


@cache
def _tests() -> frozenset[str]:
    folders = (ROOT / "tests", ROOT / "src/mentalspace/integrations")
    return frozenset(name for folder in folders for name in _tests_under(folder))


def _tests_under(folder: Path) -> Iterator[str]:
    for path in folder.rglob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if node.name.startswith("test_"):
                yield f"{path.relative_to(ROOT).as_posix()}::{node.name}"


KNOWN: Mapping[str, Callable[[], Any]] = {
    "case": _cases,
    "drill": _drills,
    "alert": _alerts,
    "query": _queries,
    "page": _pages,
    "test": _tests,
}
