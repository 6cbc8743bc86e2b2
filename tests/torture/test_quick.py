"""A short campaign, so that every change meets kill -9."""

from __future__ import annotations

import pytest

from tests.torture.campaign import Plan, run
from tests.torture.report import as_table


@pytest.mark.timeout(170)
async def test_nothing_is_lost_to_kill_9() -> None:
    """Worker, database and API are killed under load; nothing is lost or sent twice, and no
    outcome stays unknown for a quarter of an hour without a person seeing it."""
    # Not the sandbox: its breaker then opens for half a minute, and nothing more is learnt here.
    victims = (("worker",), ("postgres",), ("api", "worker"))
    plan = Plan(rounds=3, seed=3, bookings_per_s=6.0, victims=victims)
    said: list[str] = []
    outcome = await run(plan, said.append)
    assert not outcome.violations, "\n".join([*said, as_table(plan, outcome)])
    assert outcome.verdict.counts["acknowledged"] > 30
    assert outcome.verdict.counts["unknown_times"] > 0
    assert [blow.victim for blow in outcome.blows] == ["worker", "postgres", "api", "worker"]
    worker = outcome.blows[0]
    assert worker.recovered_s is not None
    assert worker.recovered_s < 20
