"""An incident's two clocks, and what each severity asks people to do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from mentalspace.engine.acknowledged import owe
from mentalspace.engine.incident_task import finish_task, tasks_of, tickets
from mentalspace.engine.incidents import NewIncident, acknowledge, open_incident
from mentalspace.engine.runbook import load_runbooks
from mentalspace.kernel.case import Severity
from tests.engine.desk import MINUTE, Desk

MATRIX = load_runbooks([], None).escalation
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


async def opened(desk: Desk, severity: Severity, drill: str | None = None) -> Any:
    """An incident of this severity, its first pages sent; its id."""
    async with desk.bench.database.as_dispatcher() as connection:
        now = await connection.fetchval("select app.now()")
        new = NewIncident(
            f"test:{severity}", "toy.test", None, "toy", desk.bench.credential_id,
            desk.bench.practice_id, severity, "Mails are slow", "theirs", now, {}, drill,
        )  # fmt: skip
        assert await open_incident(connection, MATRIX, new)
    await desk.pager.tick()
    return (await desk.incident())["id"]


async def take(desk: Desk, who: str = "noor") -> None:
    incident = await desk.incident()
    async with desk.bench.database.as_oncall() as connection:
        assert await acknowledge(connection, incident["id"], who)


async def test_who_said_so_while_a_table_was_locked_is_paged_no_further(
    desk: Desk, admin_url: str
) -> None:
    """Neither it nor what it leads; the pager sends what else there is, and writes it down once the
    lock is gone, with when it was said."""
    incident_id = await opened(desk, Severity.CRITICAL)
    first, database = len(desk.pages), desk.bench.database
    assert await owe(database, incident_id, "noor") == "noor"
    assert await owe(database, incident_id, "ada") == "noor", "who said so first has it"
    said_at = await desk.bench.admin.fetchval("select app.now()")
    holder = await asyncpg.connect(admin_url)
    try:
        await holder.execute("begin; lock table timeline in access exclusive mode")
        await desk.bench.advance(10 * MINUTE)
        await desk.pager.tick()
        assert len(desk.pages) == first
        assert (await desk.incident())["status"] == "open"
    finally:
        await holder.close()
    await desk.pager.tick()
    incident = await desk.incident()
    assert (incident["acknowledged_by"], len(desk.pages)) == ("noor", first)
    assert abs((incident["acknowledged_at"] - said_at).total_seconds()) < 5
    await desk.tick(10 * MINUTE)
    assert len(desk.pages) == first


async def test_what_is_taken_and_not_ended_is_nobodys_again(desk: Desk) -> None:
    """Four hours after a critical incident opened, whoever took it has had their time: it is open
    again, pages everybody and says who had it; taking it anew gives the whole time anew."""
    incident_id = await opened(desk, Severity.CRITICAL)
    await take(desk)
    await desk.tick(timedelta(hours=3, minutes=58))
    assert (await desk.incident())["status"] == "acknowledged"
    first = len(desk.pages)
    await desk.tick(3 * MINUTE)
    incident = await desk.incident()
    assert (incident["status"], incident["acknowledged_by"], incident["rounds"]) == (
        "open", None, 1,
    )  # fmt: skip
    assert sorted(target for target, _text in desk.pages[first:]) == ["assigned", "cto", "oncall"]
    data = await desk.bench.admin.fetchval(
        "select data from timeline where incident_id = $1 and kind = 'acknowledgment_lapsed'",
        incident_id,
    )
    assert data["by"] == "noor"
    await take(desk, "ada")
    pages = len(desk.pages)
    await desk.tick(timedelta(hours=3, minutes=55))
    assert len(desk.pages) == pages
    await desk.tick(6 * MINUTE)
    assert ((await desk.incident())["status"], len(desk.pages)) == ("open", pages + 3)


async def test_taken_late_it_still_gets_its_time(desk: Desk) -> None:
    """Whoever takes a critical incident after six hours is not robbed of it in the next second."""
    await opened(desk, Severity.CRITICAL)
    await desk.tick(6 * HOUR)
    await take(desk)
    pages = len(desk.pages)
    await desk.tick(3 * HOUR)
    assert ((await desk.incident())["status"], len(desk.pages)) == ("acknowledged", pages)


async def test_what_looks_recovered_wakes_nobody(desk: Desk) -> None:
    """The second clock is about what is still broken; what recovered waits in peace."""
    await opened(desk, Severity.CRITICAL)
    await take(desk)
    await desk.bench.admin.execute("update incident set recovered_at = app.now()")
    pages = len(desk.pages)
    await desk.tick(9 * HOUR)
    assert ((await desk.incident())["status"], len(desk.pages)) == ("acknowledged", pages)


@pytest.mark.parametrize(
    ("severity", "first", "then_after", "then"),
    [
        (Severity.CRITICAL, ["assigned", "cto", "oncall"], 5, ["assigned", "cto", "oncall"]),
        (Severity.HIGH, ["oncall"], 30, ["cto", "oncall"]),
        (Severity.MEDIUM, ["assigned"], 120, ["assigned", "oncall"]),
        (Severity.LOW, ["tickets"], 24 * 60, ["assigned", "tickets"]),
    ],
)
async def test_each_severity_pages_its_own_and_then_the_next(
    desk: Desk, severity: Severity, first: list[str], then_after: int, then: list[str]
) -> None:
    """Whom the opening pages, and whom the end of the first clock, to the minute."""
    await opened(desk, severity)
    assert desk.targets() == first
    await desk.tick((then_after - 1) * MINUTE)
    assert desk.targets() == first
    await desk.tick(2 * MINUTE)
    assert desk.targets() == sorted([*first, *then])


@pytest.mark.parametrize(
    ("severity", "again"),
    [(Severity.MEDIUM, ["assigned", "oncall"]), (Severity.LOW, ["assigned", "tickets"])],
)
async def test_what_is_not_urgent_pages_daily_until_somebody_has_it(
    desk: Desk, severity: Severity, again: list[str]
) -> None:
    """Once a day, and not once more; taken, not at all."""
    await opened(desk, severity)
    await desk.tick(DAY)
    for _ in range(3):
        before = desk.targets()
        await desk.tick(DAY - MINUTE)
        assert desk.targets() == before
        await desk.tick(2 * MINUTE)
        assert desk.targets() == sorted([*before, *again])
    await take(desk)
    before = desk.targets()
    await desk.tick(3 * DAY)
    assert desk.targets() == before


@pytest.mark.parametrize(
    ("severity", "kinds"),
    [
        (Severity.CRITICAL, ["step", "step", "step"]),
        (Severity.HIGH, ["step", "step"]),
        (Severity.MEDIUM, ["ticket"]),
        (Severity.LOW, ["ticket"]),
    ],
)
async def test_each_severity_asks_for_its_action(
    desk: Desk, severity: Severity, kinds: list[str]
) -> None:
    """A checklist for what is down or broken, a ticket for the rest; a person closes each, once,
    and the timeline names them."""
    incident_id = await opened(desk, severity)
    async with desk.bench.database.as_oncall() as connection:
        todo = await tasks_of(connection, incident_id)
        assert [task["kind"] for task in todo] == kinds
        waiting = await tickets(connection, opened=True)
        assert [t["incident_id"] for t in waiting] == [incident_id] * kinds.count("ticket")
        assert await finish_task(connection, todo[0]["id"], "ada", " rolled back ") == incident_id
        assert await finish_task(connection, todo[0]["id"], "sam") is None
        [first, *_rest] = await tasks_of(connection, incident_id)
        assert (first["done_by"], first["note"]) == ("ada", "rolled back")
        assert await tickets(connection, opened=True) == []
        noted = await connection.fetchval(
            "select data ->> 'note' from timeline where incident_id = $1 order by id desc limit 1",
            incident_id,
        )
        assert noted == "rolled back"
    told = await desk.told(incident_id)
    assert ("action_asked" in told, told[-1]) == (
        True,
        "ticket_closed" if kinds == ["ticket"] else "step_done",
    )


async def test_a_drills_ticket_is_nobodys_work(desk: Desk) -> None:
    """A drill may open a ticket; it does not stand among those to be done."""
    await opened(desk, Severity.LOW, drill="run-1")
    async with desk.bench.database.as_oncall() as connection:
        assert await tickets(connection, opened=True) == []
