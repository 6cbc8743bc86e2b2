"""One lock in the way of several parts of the house pages once, whichever tells of it first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from mentalspace.engine.blindness import RULE, Blind, tell_blind
from mentalspace.engine.house_alert import hold
from mentalspace.engine.incidents import acknowledge
from mentalspace.engine.one_lock import FREE_AFTER_S, leave_lock
from mentalspace.engine.runbook import AlertRule
from mentalspace.kernel.case import Severity
from tests.engine.desk import RULES, Desk
from tests.engine.test_watchman import pulses, watching

MINUTE = timedelta(minutes=1)
SILENT = "house.loop_silent"


async def blind(desk: Desk, *rules: AlertRule) -> None:
    """These cannot be judged, for a lock."""
    async with desk.bench.database.as_dispatcher() as connection:
        now = await connection.fetchval("select app.now()")
        found = [Blind("toy", one, asyncpg.LockNotAvailableError.__name__, now) for one in rules]
        await tell_blind(connection, desk.pager.runbooks.escalation, found)


async def silent(desk: Desk, name: str = "dispatch") -> None:
    """The dispatcher beats no more; told by who watches, at the second look."""
    await pulses(desk, name)
    await desk.bench.admin.execute(
        "update pulse set beat_at = beat_at - interval '2 min' where name = $1", name
    )
    watchman = watching(desk)
    await watchman.tick()
    assert await watchman.tick() == [name]


async def stand(desk: Desk) -> dict[str, Any]:
    rows = await desk.bench.admin.fetch(
        "select i.*, (select count(*) from page p where p.incident_id = i.id) as pages"
        " from incident i"
    )
    return {row["rule_id"]: row for row in rows}


@pytest.mark.parametrize("first", [RULE, SILENT])
async def test_one_lock_pages_once(desk: Desk, admin_url: str, first: str) -> None:
    """Both stand, one beneath the other; who takes the one that pages has both."""
    holder = await asyncpg.connect(admin_url)
    try:
        await holder.execute("begin; lock table lane in access exclusive mode")
        for one in (first, *({RULE, SILENT} - {first})):
            await (blind(desk, RULES[0]) if one == RULE else silent(desk))
    finally:
        await holder.close()
    found = await stand(desk)
    lead, led = found[first], next(row for name, row in found.items() if name != first)
    assert lead["severity"] == led["severity"] == "critical"
    assert (led["lead_id"], led["pages"], led["next_escalation_at"]) == (lead["id"], 0, None)
    assert (lead["lead_id"], lead["pages"] > 0) == (None, True)
    assert "follows" in await desk.told(led["id"])
    async with desk.bench.database.as_oncall() as connection:
        await acknowledge(connection, lead["id"], "noor")
    for row in (lead, led):
        assert "table lane locked by pid" in row["title"]
        assert "pg_terminate_backend" in row["facts"]["first_step"], "a restart would not help"
    assert {row["acknowledged_by"] for row in (await stand(desk)).values()} == {"noor"}


async def test_the_graver_one_leads(desk: Desk, admin_url: str) -> None:
    """Rules of little weight that are blind do not silence a dispatcher that stands still."""
    holder = await asyncpg.connect(admin_url)
    try:
        await holder.execute("begin; lock table lane in access exclusive mode")
        await blind(desk, replace(RULES[0], severity=Severity.LOW))
        await silent(desk)
    finally:
        await holder.close()
    found = await stand(desk)
    assert found[SILENT]["lead_id"] is None
    assert found[SILENT]["pages"] > 0
    assert found[RULE]["lead_id"] == found[SILENT]["id"]


async def test_a_worker_that_is_gone_is_no_lock(desk: Desk, admin_url: str) -> None:
    """And what stands still with no table locked is by itself."""
    await blind(desk, RULES[0])
    await silent(desk)
    found = await stand(desk)
    assert [row["lead_id"] for row in found.values()] == [None, None]
    holder = await asyncpg.connect(admin_url)
    try:
        await holder.execute("begin; lock table lane in access exclusive mode")
        async with desk.bench.database.as_dispatcher() as connection:
            escalation = desk.pager.runbooks.escalation
            await hold(connection, escalation, SILENT, {"worker": "The worker is silent"})
    finally:
        await holder.close()
    assert all(row["lead_id"] is None for row in (await stand(desk)).values())


async def test_what_stays_when_the_lock_is_gone_pages(desk: Desk, admin_url: str) -> None:
    """A minute after what led it was over."""
    holder = await asyncpg.connect(admin_url)
    try:
        await holder.execute("begin; lock table lane in access exclusive mode")
        await blind(desk, RULES[0])
        await silent(desk)
    finally:
        await holder.close()
    await blind(desk)

    async def look() -> Any:
        async with desk.bench.database.as_dispatcher() as connection:
            await leave_lock(connection, desk.pager.runbooks.escalation)
        return (await stand(desk))[SILENT]

    assert (await stand(desk))[RULE]["recovered_at"] is not None
    assert (await look())["lead_id"] is not None
    await desk.bench.advance(timedelta(seconds=FREE_AFTER_S + 1))
    alone = await look()
    assert (alone["lead_id"], alone["status"], alone["pages"] > 0) == (None, "open", True)
    assert alone["resolve_within_s"] is not None
