"""A paging service hears what became here of what it was paged about, and of a room that is out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mentalspace.engine.channel import Channel, Message, add_contact
from mentalspace.engine.incidents import resolve
from mentalspace.engine.oncall import add_person
from mentalspace.engine.outbound import open_client
from mentalspace.engine.paging_events import PagingEvents
from mentalspace.sandbox.pagerduty import Alert
from mentalspace.sandbox.running import Running, running_sandbox
from tests.engine.desk import MINUTE, Desk
from tests.engine.test_oncall import person, rota


@pytest.fixture
async def played(desk: Desk, tmp_path: Path) -> AsyncIterator[Running]:
    """PagerDuty, and a pager that knows it."""
    async with running_sandbox(tmp_path) as sandbox, open_client(live=False) as out:
        events = PagingEvents(out, f"{sandbox.url}/pagerduty", "https://clinic.example")
        desk.pager = replace(
            desk.pager,
            senders={**desk.pager.senders, "pagerduty": events.send},
            tell=events.tell,
        )
        yield sandbox


def states(sandbox: Running) -> list[tuple[str, int]]:
    """Its alerts, oldest first: how each stands, and how often it woke somebody."""
    alerts: list[Alert] = sandbox.world.pagerduty.alerts()
    return [(alert.status, alert.notified) for alert in reversed(alerts)]


async def test_one_acknowledgment_quiets_both(desk: Desk, played: Running) -> None:
    """Repeats are one alert there; acknowledged here it is there, and resolved. What came back
    after somebody had it is a new alert, for an acknowledged one would wake nobody."""
    desk.pager = replace(
        desk.pager, urls={**desk.pager.urls, "oncall": ("pdevents://" + "k" * 32,)}
    )
    await desk.fail(400)
    await desk.tick()
    assert states(played) == [("triggered", 1)]
    await desk.tick(31 * MINUTE)
    assert states(played) == [("triggered", 2)]
    await desk.acknowledge()
    await desk.tick()
    assert states(played) == [("acknowledged", 2)]
    await desk.succeed(2)
    await desk.tick()
    await desk.fail(400)
    await desk.tick()
    assert states(played) == [("acknowledged", 2), ("triggered", 1)]
    async with desk.bench.database.as_oncall() as connection:
        await resolve(connection, (await desk.incident())["id"], "noor")
    await desk.pager.tick()
    assert [status for status, _notified in states(played)] == ["resolved", "resolved"]


async def test_a_colleague_by_pagerduty_and_by_chat_is_woken_once(
    desk: Desk, played: Running
) -> None:
    """The first way takes the first page; with PagerDuty out, the next one does, at once."""
    noor = await person(desk, "Noor")
    async with desk.bench.database.as_oncall() as connection:
        await add_contact(connection, desk.bench.vault, noor, "pagerduty", "k" * 32)
    await person(desk, "Noor", "chat")
    await rota(desk, noor, noor)
    await desk.fail(400)
    await desk.tick()
    assert (states(played), desk.pages) == ([("triggered", 1)], [])
    played.world.kit.faults.add(room="pager", provider="pagerduty", kind="status", http=503)
    await desk.bench.admin.execute("update incident set status = 'resolved'")
    await desk.fail(400)
    await desk.tick()
    assert desk.targets() == ["chat"]


@pytest.mark.parametrize(("broken", "by"), [("sms", ["chat"]), ("toy", ["sms"])])
async def test_the_room_that_broke_does_not_carry_the_page(
    desk: Desk, broken: str, by: list[str]
) -> None:
    """A text about the texts would never come: that way is left out, and the next is taken.
    What is broken elsewhere leaves it alone."""
    taken: list[str] = []

    async def by_text(channel: Channel, message: Message) -> str | None:
        taken.append("sms")
        return None

    desk.pager = replace(desk.pager, senders={**desk.pager.senders, "sms": by_text})
    async with desk.bench.database.as_oncall() as connection:
        noor = await add_person(connection, "Noor")
        await add_contact(connection, desk.bench.vault, noor, "sms", "+12025550123")
    await person(desk, "Noor", "chat")
    await rota(desk, noor, noor)
    await desk.fail(400)
    await desk.evaluator.tick()
    await desk.bench.admin.execute("update incident set integration = $1", broken)
    await desk.pager.tick()
    assert [*taken, *desk.targets()] == by
    rows: list[Any] = await desk.bench.admin.fetch("select kind, state from page_send")
    told = {row["kind"]: row["state"] for row in rows}
    assert told == ({"sms": "left_out", "apprise": "sent"} if broken == "sms" else {"sms": "sent"})
