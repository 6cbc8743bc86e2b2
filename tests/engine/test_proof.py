"""What was last proven to fire, and what counts as proven no more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from mentalspace.engine.db import Database
from mentalspace.engine.proof import (
    NO_DRILL,
    STALE_AFTER,
    Proof,
    all_proven,
    gaps,
    last_proven,
    revisions,
    standing,
)
from mentalspace.engine.runbook import Runbooks, load_runbooks
from mentalspace.integrations import discover_rooms

CASE, RULE, DRILL = "email.unauthorized", "email.credential_refused", "email/invalid_api_key"


def books() -> Runbooks:
    return load_runbooks(list(discover_rooms().values()), None)


async def _run(admin: asyncpg.Connection[Any], run: str, ago: str, passed: bool) -> None:
    await admin.execute(
        "insert into drill_run (id, drill, actor, finished_at, passed, proved)"
        " values ($1, $2, 'drill', app.now() - $3::text::interval, $4, $5)",
        run, DRILL, ago, passed, [CASE, RULE] if passed else [],
    )  # fmt: skip


async def test_the_latest_passed_run_is_the_proof(
    database: Database, admin: asyncpg.Connection[Any]
) -> None:
    """Of a case, its rule and the drill alike; a later run that failed proves nothing."""
    await _run(admin, "old", "3 days", True)
    await _run(admin, "new", "2 days", True)
    await _run(admin, "failed", "1 day", False)
    async with database.as_oncall() as connection:
        for subject in (CASE, RULE, DRILL):
            proof = await last_proven(connection, subject)
            assert proof is not None
            assert (proof.run_id, proof.drill) == ("new", DRILL)
        assert await last_proven(connection, "email.rate_limited") is None
        assert all_subjects(await all_proven(connection)) == {CASE, RULE, DRILL}


def all_subjects(found: dict[str, Proof]) -> set[str]:
    return {subject for subject, proof in found.items() if proof.subject == subject}


async def test_a_proof_ages_and_follows_its_text(admin: asyncpg.Connection[Any]) -> None:
    """After a quarter, or once its file says something else, it no longer counts, and says why."""
    now = await admin.fetchval("select app.now()")
    runbooks, today = books(), revisions(books())[CASE]
    fresh = Proof(CASE, now - timedelta(days=1), DRILL, "run", {CASE: today})
    old = Proof(CASE, now - STALE_AFTER - timedelta(days=1), DRILL, "run", {CASE: today})
    other = Proof(CASE, now - timedelta(days=1), DRILL, "run", {CASE: "another text's"})
    assert standing(runbooks, CASE, fresh, now).holds
    assert "90 days" in str(standing(runbooks, CASE, old, now).stale)
    assert "changed" in str(standing(runbooks, CASE, other, now).stale)
    assert not standing(runbooks, CASE, None, now).holds
    left = {gap.subject: gap for gap in gaps(runbooks, {CASE: fresh}, now)}
    assert CASE not in left
    assert left[RULE].why == "never proven here"
    assert left[RULE].drill == DRILL


def test_a_case_and_a_rule_without_a_drill_are_gaps() -> None:
    """No run can prove what no drill promises; whatever else there is has its drill."""
    now = datetime(2026, 11, 28, tzinfo=UTC)
    runbooks = books()
    assert [gap for gap in gaps(runbooks, None, now) if gap.why == NO_DRILL] == []
    room = runbooks.room("email")
    drills = tuple(drill for drill in room.drills if drill.id != DRILL)
    less = Runbooks((replace(room, drills=drills),), runbooks.escalation)
    assert {gap.subject for gap in gaps(less, None, now) if gap.why == NO_DRILL} == {CASE, RULE}
