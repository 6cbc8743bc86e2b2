"""Reminders as they wait: several leads, a client's choice, changes of rules, and never twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from mentalspace.practice.reminder_policy import (
    PolicyWrong,
    ReminderChoice,
    read_policy,
    save_policy,
)
from mentalspace.workflows import reminder_rules
from mentalspace.workflows.appointments import book, reschedule
from mentalspace.workflows.calendar_import import import_calendar
from mentalspace.workflows.reminder_rules import choose_reminders, rewrite_reminders
from tests.house import new_appointment
from tests.practice.office import Office

HOUR = timedelta(hours=1)
ADDRESS = "client@demo.example"
WEEK, DAY, TWO_HOURS = 10080, 1440, 120

_REMINDERS = """
select n.lead_min, n.status, d.due_at, d.expires_at, a.starts_at, d.idempotency_key
  from appointment_notifications n join delivery d on d.id = n.delivery_id
  join appointment a on a.id = n.appointment_id
 where n.notification_type = 'reminder' order by a.external_id, n.created_at, n.lead_min desc
"""


async def rules(office: Office, *leads_min: int, cancel_before_h: int = 24) -> None:
    async with office.services.database.as_user(office.claims) as connection:
        await save_policy(connection, office.practice_id, leads_min, cancel_before_h)


async def booked(office: Office, hours: float = 240, external_id: str = "a-1") -> Any:
    starts_at = office.services.clock.now() + hours * HOUR
    # In Phoenix a day is 24 hours on every day of the year.
    new = replace(
        new_appointment(ADDRESS, starts_at, external_id), client_timezone="America/Phoenix"
    )
    return (await book(office.services, office.claims, new)).appointment_id


async def reminders(office: Office, status: str = "pending") -> list[int]:
    """The leads of those in that state."""
    return [r["lead_min"] for r in await office.fetch(_REMINDERS) if r["status"] == status]


async def client_id(office: Office) -> Any:
    return (await office.fetch("select id from client"))[0]["id"]


async def test_each_lead_is_a_reminder(office: Office) -> None:
    """Each waits for its own time, and ends when the next one's has come."""
    await rules(office, DAY, WEEK, TWO_HOURS)
    await booked(office)
    week, day, hours = await office.fetch(_REMINDERS)
    assert [week["lead_min"], day["lead_min"], hours["lead_min"]] == [WEEK, DAY, TWO_HOURS]
    assert (week["expires_at"], day["expires_at"]) == (day["due_at"], hours["due_at"])
    assert hours["expires_at"] == hours["starts_at"]


async def test_a_reminder_soon_after_the_booking_is_left_out(office: Office) -> None:
    """Booked a day and five minutes ahead, the confirmation is not followed by a reminder."""
    await rules(office, DAY, TWO_HOURS)
    await booked(office, hours=24 + 5 / 60)
    assert await reminders(office) == [TWO_HOURS]
    await booked(office, hours=24 + 61 / 60, external_id="a-2")
    assert await reminders(office) == [TWO_HOURS, DAY, TWO_HOURS]


async def test_the_database_refuses_a_second_reminder(
    office: Office, admin: asyncpg.Connection[Any]
) -> None:
    """Whatever a program does, one hour of an appointment has one reminder for each lead."""
    await booked(office)
    columns = (
        "practice_id, appointment_id, notification_type, recipient_email, status,"
        " for_start, lead_min"
    )
    again = f"insert into appointment_notifications ({columns}) select {columns}"
    with pytest.raises(asyncpg.UniqueViolationError, match="reminder_once"):
        await admin.execute(
            f"{again} from appointment_notifications where notification_type = 'reminder'"
        )


async def test_a_client_may_choose(office: Office) -> None:
    """Off cancels what waits, own leads replace the practice's, and null is theirs again."""
    await booked(office)
    who = await client_id(office)

    async def choose(enabled: bool, leads: tuple[int, ...] | None) -> list[int]:
        choice = ReminderChoice(enabled, leads)
        await choose_reminders(office.services, office.claims, who, choice)
        return await reminders(office)

    assert await choose(False, None) == []
    assert await choose(True, (TWO_HOURS, WEEK)) == [WEEK, TWO_HOURS]
    assert await choose(True, None) == [DAY]
    with pytest.raises(PolicyWrong, match="at least one"):
        await choose(True, ())
    await choose(False, None)
    await booked(office, external_id="a-2")
    assert await reminders(office) == []


async def test_new_rules_reach_what_waits(office: Office) -> None:
    """Coming appointments get the new leads in batches; a reminder whose time stays is kept."""
    for number in range(3):
        await booked(office, external_id=f"a-{number}")
    before = await office.fetch(_REMINDERS)
    await rules(office, DAY, WEEK)
    async with office.services.database.as_user(office.claims) as connection:
        policy = await read_policy(connection, office.practice_id)
    assert (policy.waiting, policy.coming) == (3, 3)
    assert await rewrite_reminders(office.services) == 3
    assert sorted(await reminders(office)) == [DAY] * 3 + [WEEK] * 3
    after = await office.fetch(_REMINDERS)
    assert [r for r in after if r["lead_min"] == DAY] == before
    async with office.services.database.as_user(office.claims) as connection:
        assert (await read_policy(connection, office.practice_id)).waiting == 0
    await rules(office)
    await rewrite_reminders(office.services)
    assert await reminders(office) == []
    await rules(office, DAY)
    await rewrite_reminders(office.services)
    assert await reminders(office) == [DAY] * 3


async def test_a_rewriting_that_breaks_goes_on(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a dying worker did not reach is found by the next, and nothing is written twice."""
    for number in range(4):
        await booked(office, external_id=f"a-{number}")
    await rules(office, TWO_HOURS)
    monkeypatch.setattr(reminder_rules, "BATCH", 2)
    whole = reminder_rules._bring_up
    seen = 0

    async def dies(*arguments: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == 4:
            raise ConnectionError
        await whole(*arguments)

    monkeypatch.setattr(reminder_rules, "_bring_up", dies)
    with pytest.raises(ConnectionError):
        await rewrite_reminders(office.services)
    assert sorted(await reminders(office)) == [TWO_HOURS] * 2 + [DAY] * 2
    monkeypatch.setattr(reminder_rules, "_bring_up", whole)
    await asyncio.gather(rewrite_reminders(office.services), rewrite_reminders(office.services))
    assert await reminders(office) == [TWO_HOURS] * 4


async def test_a_new_zone_moves_whole_days_only(office: Office) -> None:
    """The client's clock decides when a day before is; hours before are hours before."""
    await rules(office, DAY, 1410)
    head = (
        "external_id,client_external_id,client_name,client_email,client_timezone,"
        "starts_at,duration_min"
    )
    row = "a-1,c-1,Zoe Zone,z@demo.example,{},2031-03-09T10:00-04:00,50"
    for zone in ("America/Phoenix", "America/New_York"):
        text = f"{head}\n{row.format(zone)}\n"
        await import_calendar(
            office.services, office.claims, text.encode(), "x.csv", imported_by="Sam"
        )
    waits = {r["lead_min"]: r for r in await office.fetch(_REMINDERS) if r["status"] == "pending"}
    # New York's clock jumped in the night between: a day before is 23 hours before.
    assert waits[DAY]["due_at"] == datetime.fromisoformat("2031-03-08T10:00-05:00")
    assert waits[1410]["due_at"] == datetime.fromisoformat("2031-03-08T09:30-05:00")
    assert waits[1410]["expires_at"] == waits[DAY]["due_at"]


async def test_what_has_left_is_not_written_again(
    office: Office, admin: asyncpg.Connection[Any]
) -> None:
    """A reminder in the provider's hands stays the only one of its lead, whatever changes; one
    that was due and still waited goes to the new address."""
    await rules(office, WEEK, DAY)
    await booked(office)
    for status in ("due", "sending", "accepted"):
        await _move(admin, WEEK, status)
    await _move(admin, DAY, "due")
    new = replace(
        new_appointment("other@demo.example", datetime(2031, 1, 1, tzinfo=UTC), "a-2"),
        client_external_id=f"c-{ADDRESS}",
    )
    await book(office.services, office.claims, new)
    first = [r for r in await office.fetch(_REMINDERS) if r["starts_at"].year < 2031]
    assert [(r["lead_min"], r["status"]) for r in first] == [
        (WEEK, "sent"),
        (DAY, "cancelled"),
        (DAY, "pending"),
    ]


async def _move(admin: asyncpg.Connection[Any], lead_min: int, status: str) -> None:
    await admin.execute(
        "update delivery set status = $2 where id in"
        " (select delivery_id from appointment_notifications where lead_min = $1)",
        lead_min,
        status,
    )


async def test_moving_starts_anew(office: Office) -> None:
    """Moved, every lead of the new hour waits, though the old hour's had left."""
    await rules(office, WEEK, DAY)
    first = await booked(office)
    await reschedule(
        office.services,
        office.claims,
        first,
        starts_at=office.services.clock.now() + 300 * HOUR,
    )
    assert await reminders(office) == [WEEK, DAY]
    assert await reminders(office, "cancelled") == [WEEK, DAY]


async def test_random_lives_keep_one_right_reminder_for_each_lead(office: Office) -> None:
    """Bookings around changes of clocks, moved, their rules and clients' zones changed at random:
    what waits in the end is what the rules say, once each, on the client's clock."""
    random = Random(7)
    zones = ("America/New_York", "Europe/Madrid", "Australia/Lord_Howe", "America/Phoenix")
    jump = datetime(2031, 3, 9, 7, tzinfo=UTC)
    ids = []

    def hour() -> datetime:
        return jump + timedelta(minutes=random.randint(-3000, 15000))

    for number in range(40):
        new = replace(
            new_appointment(f"p{number}@demo.example", hour(), f"a-{number}"),
            client_timezone=random.choice(zones),
        )
        ids.append((await book(office.services, office.claims, new)).appointment_id)
    moves: list[Callable[[], Awaitable[Any]]] = [
        lambda: reschedule(office.services, office.claims, random.choice(ids), starts_at=hour()),
        lambda: rules(office, *random.sample((WEEK, 2880, DAY, 1380, TWO_HOURS, 15), 3)),
        lambda: rewrite_reminders(office.services),
    ]
    for _ in range(60):
        await random.choice(moves)()
    await rules(office, WEEK, DAY, TWO_HOURS)
    await rewrite_reminders(office.services)
    rows = await office.fetch(
        "select a.id, a.starts_at, c.timezone, n.lead_min, d.due_at from appointment a"
        " join client c on c.id = a.client_id"
        " left join appointment_notifications n on n.appointment_id = a.id"
        "  and n.notification_type = 'reminder' and n.status = 'pending'"
        " left join delivery d on d.id = n.delivery_id order by a.id, n.lead_min"
    )
    assert len(rows) == 40 * 3
    for row in rows:
        if row["lead_min"] == TWO_HOURS:
            assert row["starts_at"] - row["due_at"] == 2 * HOUR
            continue
        zone = ZoneInfo(row["timezone"])
        shown = [row[at].astimezone(zone).replace(tzinfo=None) for at in ("starts_at", "due_at")]
        skipped = timedelta(0)
        days = timedelta(minutes=row["lead_min"])
        if shown[0] - shown[1] != days:  # the hour does not exist that day
            skipped = shown[1] - (shown[0] - days)
            assert timedelta(0) < skipped <= HOUR
