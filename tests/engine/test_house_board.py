"""The house's own rules: on the board with their state and proof, and none without a proof."""

from __future__ import annotations

import dataclasses
from datetime import date
from types import MappingProxyType
from typing import Any

import asyncpg

from mentalspace.cli.alerts import house_lines
from mentalspace.engine.db import Database
from mentalspace.engine.house_alert import HOUSE_RULES, hold
from mentalspace.engine.house_board import read_house
from mentalspace.engine.proof import gaps
from mentalspace.engine.runbook import Runbooks, check, load_runbooks
from mentalspace.integrations import discover_rooms

RULE, DRILL = "house.restarts", "house/worker_restarts"


def books() -> Runbooks:
    return load_runbooks(list(discover_rooms().values()), None)


def changed(rule_id: str, **other: Any) -> Runbooks:
    """The runbooks, but for one rule's proof."""
    now = books()
    proofs = [
        dataclasses.replace(proof, **other) if proof.rule_id == rule_id else proof
        for proof in now.house_proofs
    ]
    return dataclasses.replace(now, rooms=(), house_proofs=tuple(proofs))


def problems(runbooks: Runbooks) -> list[str]:
    return [p.text for p in check(runbooks, today=date(2026, 11, 29), known_steps=())]


def test_each_rule_of_the_house_says_what_proves_it() -> None:
    assert {proof.rule_id for proof in books().house_proofs} == set(HOUSE_RULES)
    assert problems(changed(RULE)) == []


def test_a_rule_of_the_house_without_a_proof_fails_the_check() -> None:
    """Neither a drill nor a test; a drill that does not fire it; a test that gives no reason."""
    assert problems(changed(RULE, drill=None)) == [f"{RULE} has neither drill nor test"]
    assert problems(changed(RULE, drill="escalation")) == [f"{RULE} is fired by no drill"]
    assert problems(changed("house.connections", instead=None)) == [
        "house.connections: test and instead"
    ]
    assert problems(changed("house.connections", test="somewhere")) == [
        "house.connections names no test"
    ]


def test_a_drill_proves_only_rules_that_there_are() -> None:
    now = changed(RULE)
    drill = dataclasses.replace(now.rehearsals[0], proves=("house.no_such_rule",))
    assert problems(dataclasses.replace(now, rehearsals=(*now.rehearsals, drill))) == [
        f"{drill.id} proves 'house.no_such_rule', which is no rule of the house"
    ]


async def test_the_board_says_which_fires_and_what_was_proven(
    database: Database, admin: asyncpg.Connection[Any]
) -> None:
    """An incident that is not over fires its rule, a drill's does not; a passed drill proves it."""
    runbooks = books()
    now = await admin.fetchval("select app.now()")
    assert RULE in {gap.subject for gap in gaps(runbooks, {}, now)}
    await admin.execute(
        "insert into drill_run (id, drill, actor, finished_at, passed, proved)"
        " values ('run', $1, 'drill', app.now(), true, $2)",
        DRILL, [RULE],
    )  # fmt: skip
    found = MappingProxyType({"host": "The worker on host has ended 3 times within five minutes"})
    async with database.as_dispatcher() as connection:
        await hold(connection, runbooks.escalation, "house.blind", {"any": "a drill"}, drill="run")
        await hold(connection, runbooks.escalation, RULE, found)
    async with database.as_oncall() as connection:
        lines = {line.rule.id: line for line in await read_house(connection, runbooks)}
        [alone] = await read_house(connection, runbooks, RULE)
    assert set(lines) == set(HOUSE_RULES)
    assert [rule for rule, line in lines.items() if line.state == "firing"] == [RULE]
    assert alone.drill == DRILL
    assert alone.proven.holds
    assert lines["house.blind"].proven.proof is None
    assert (lines["house.connections"].drill, lines["house.connections"].proof.test is None) == (
        None,
        False,
    )
    head, shown = house_lines(list(lines.values()), every=False)
    assert head == "8 rules of the house itself, 1 firing"
    assert "has ended 3 times" in shown
    assert "house.blind" not in shown
    assert "by a test" in house_lines(list(lines.values()), every=True)[1]
