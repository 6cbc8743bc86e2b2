"""Texts through the whole house: held for the morning, told by mail instead, stopped, resumed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mentalspace.emulator.accounts import account_id
from mentalspace.engine.credentials import read_secrets
from mentalspace.engine.db import connect_owner
from mentalspace.kernel.phi import Phi
from mentalspace.practice.reminder import DAY_MIN
from mentalspace.practice.reminder_policy import save_policy
from mentalspace.workflows.appointments import book
from mentalspace.workflows.demo import system_claims
from tests.house import House, new_appointment, until, write_agreements
from tests.journeys.test_text_journey import telephones

ZONE = "America/Chicago"
ANA, BEN = "+12025550107", "+12025550108"
TEN_HOURS = 600
THREE_DAYS = timedelta(days=3)
LEFT = {"accepted", "delivered"}


async def test_a_reminder_of_the_night_waits_for_eight_or_goes_by_mail(house: House) -> None:
    """Due at 23:30 on the client's clock it leaves at 8:00, and the timeline says until when it
    waits; useless by then, it goes by mail at once, and the timeline says which mail."""
    claims = system_claims(house.practice_id)
    async with house.services.database.as_user(claims) as connection:
        await save_policy(connection, house.practice_id, (TEN_HOURS,), 24)
    day = (house.services.clock.now() + THREE_DAYS).date()
    for name, number, hour in (("ana", ANA, 9), ("ben", BEN, 7)):
        starts_at = datetime(day.year, day.month, day.day, hour, 30, tzinfo=ZoneInfo(ZONE))
        await _choose(house, name, number, reminders_by="text", changes_by="email")
        await _book(house, name, starts_at.astimezone(UTC), f"{name}-1")
    evening = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(ZONE)) - timedelta(hours=2.5)
    await _reach(house, evening.astimezone(UTC) + timedelta(seconds=10))
    [bens] = await until(lambda: _rows(house, "ben", "sms", {"refused"}))
    [mail] = await until(lambda: _rows(house, "ben", "email", LEFT, "reminder"))
    assert (await _said(house, bens["id"], "told_by_mail")) == [{"mail": str(mail["id"])}]
    await _reach(house, evening.astimezone(UTC) + timedelta(hours=2, seconds=10))
    # For a moment the lane has it in hand, and finds that it is night.
    [anas] = await until(lambda: _rows(house, "ana", "sms", {"pending"}))
    [held] = await until(lambda: _said(house, anas["id"], "held_for_hours"))
    assert held["local"] == "08:00"
    opens_at = datetime(day.year, day.month, day.day, 8, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
    assert datetime.fromisoformat(held["until"]) == opens_at
    await _reach(house, opens_at - timedelta(seconds=20))
    assert await _rows(house, "ana", "sms", {"pending"}) != []
    await _reach(house, opens_at + timedelta(seconds=5))
    await until(lambda: _rows(house, "ana", "sms", LEFT))
    assert await _rows(house, "ana", "email", LEFT, "reminder") == []


async def test_reminders_leave_by_day_on_both_days_of_a_change_of_clocks(house: House) -> None:
    """In four zones, on the Sundays on which an hour is skipped and comes twice: ten hours before
    nine in the morning is night, so it waits for eight by the new clock; a day before is the same
    hour by the old one. None leaves twenty seconds sooner."""
    claims = system_claims(house.practice_id)
    async with house.services.database.as_user(claims) as connection:
        await save_policy(connection, house.practice_id, (TEN_HOURS, DAY_MIN), 24)
    for number, sunday in enumerate((datetime(2027, 3, 14), datetime(2027, 11, 7))):
        await _reach(house, (sunday - timedelta(hours=30)).replace(tzinfo=UTC))
        leaving: dict[datetime, list[tuple[str, datetime]]] = {}
        for place, (city, hours, leaves) in enumerate(
            (("New_York", 9, 8), ("Los_Angeles", 9, 8), ("Chicago", 34, 10), ("Denver", 33, 9))
        ):
            zone, name = ZoneInfo(f"America/{city}"), f"{city.lower()}{number}"
            starts_at = (sunday + timedelta(hours=hours)).replace(tzinfo=zone).astimezone(UTC)
            leaves_at = (sunday + timedelta(hours=leaves)).replace(tzinfo=zone).astimezone(UTC)
            due_at = leaves_at if hours > 24 else starts_at - timedelta(minutes=TEN_HOURS)
            await _choose(
                house,
                name,
                f"+120255502{number}{place}",
                zone=zone.key,
                reminders_by="text",
                changes_by="email",
            )
            await _book(house, name, starts_at, f"{name}-1")
            leaving.setdefault(leaves_at, []).append((name, due_at))
        for leaves_at, reminders in sorted(leaving.items()):
            await _reach(house, leaves_at - timedelta(seconds=20))
            for name, due_at in reminders:
                assert await _waits(house, name, due_at), (name, leaves_at)
            await _reach(house, leaves_at + timedelta(seconds=3))
            for name, due_at in reminders:
                await until(partial(_left, house, name, due_at))


async def _waits(house: House, name: str, due_at: datetime) -> bool:
    rows = await _rows(house, name, "sms", {"pending", "due"}, "reminder")
    return due_at in {row["due_at"] for row in rows}


async def _left(house: House, name: str, due_at: datetime) -> bool:
    rows = await _rows(house, name, "sms", LEFT, "reminder")
    return due_at in {row["due_at"] for row in rows}


async def test_who_texts_stop_gets_mail_alone_until_they_text_start(house: House) -> None:
    """STOP is heard from Twilio: what is booked afterwards and what waited go by mail, the reminder
    at its own hour. After START the next booking is texted."""
    await telephones(house, {})
    starts_at = house.services.clock.now() + THREE_DAYS
    await _choose(house, "ana", ANA, zone=_noon(house), reminders_by="text", changes_by="text")
    await _book(house, "ana", starts_at, "ana-1")
    await until(lambda: _rows(house, "ana", "sms", LEFT))
    [reminder] = await _rows(house, "ana", "sms", {"pending"}, "reminder")
    await _text(house, "STOP")
    [instead] = await until(lambda: _rows(house, "ana", "email", {"pending"}, "reminder"))
    assert instead["due_at"] == reminder["due_at"]
    await _book(house, "ana", starts_at + timedelta(hours=2), "ana-2")
    await until(lambda: _told(house, "ana", "email", 1))
    assert len(await _rows(house, "ana", "email", {"pending"}, "reminder")) == 2
    await _text(house, "START")
    await _book(house, "ana", starts_at + timedelta(hours=4), "ana-3")
    await until(lambda: _told(house, "ana", "sms", 2))
    assert await _told(house, "ana", "email", 1)


@pytest.mark.parametrize("falls_back", [True, False])
async def test_one_stop_is_one_task_however_many_reminders_wait(
    house: House, falls_back: bool
) -> None:
    """Two reminders wait when STOP comes: each goes by mail or not at all, as the client allows,
    and the front desk has one task in all."""
    await telephones(house, {})
    starts_at = house.services.clock.now() + THREE_DAYS
    await _choose(house, "ana", ANA, zone=_noon(house), reminders_by="text", changes_by="text")
    async with connect_owner(house.services.admin_url) as owner:
        await owner.execute("update client set text_falls_back = $1", falls_back)
    for number in (1, 2):
        await _book(house, "ana", starts_at + timedelta(hours=number), f"ana-{number}")
    await until(lambda: _told(house, "ana", "sms", 2))
    assert len(await _rows(house, "ana", "sms", {"pending"}, "reminder")) == 2
    await _text(house, "STOP")
    await until(partial(_refused, house, "ana", 2))
    async with connect_owner(house.services.admin_url) as owner:

        async def nothing_waits() -> bool:
            return bool(await owner.fetchval(_NOTHING_WAITS))

        # The word back too: Twilio, which has heard the STOP as well, may refuse it.
        await until(nothing_waits)
        tasks = await owner.fetch("select for_role, topic from task where state = 'open'")
    assert [tuple(task) for task in tasks] == [("front_desk", "texting")]
    mails = await _rows(house, "ana", "email", {"pending"}, "reminder")
    assert len(mails) == (2 if falls_back else 0)


_NOTHING_WAITS = """
select not exists (select from delivery where integration = 'sms'
                     and status in ('pending', 'due', 'sending', 'unknown'))
"""


async def _refused(house: House, name: str, count: int) -> bool:
    return len(await _rows(house, name, "sms", {"refused"}, "reminder")) == count


async def test_what_a_landline_cannot_take_goes_by_mail_once(house: House) -> None:
    """Twilio takes the text, and its callback says landline (30006): one mail with that news goes,
    one for the reminder waits for its hour, and no text reaches anybody."""
    await telephones(house, {BEN: "30006"})
    starts_at = house.services.clock.now() + THREE_DAYS
    await _choose(house, "ben", BEN, zone=_noon(house), reminders_by="text", changes_by="text")
    await _book(house, "ben", starts_at, "ben-1")
    [text] = await until(lambda: _rows(house, "ben", "sms", {"bounced"}))
    [mail] = await until(lambda: _rows(house, "ben", "email", LEFT))
    assert (await _said(house, text["id"], "told_by_mail")) == [{"mail": str(mail["id"])}]
    await until(lambda: _rows(house, "ben", "email", {"pending"}, "reminder"))
    await _book(house, "ben", starts_at + timedelta(hours=2), "ben-2")
    await until(lambda: _told(house, "ben", "email", 2))
    assert await _rows(house, "ben", "sms", LEFT) == []
    assert len(await _rows(house, "ben", "email", {*LEFT, "pending"}, "reminder")) == 2


_ROWS = """
select d.id, d.kind, d.status, d.due_at from delivery d join client c on c.id = d.client_id
 where c.external_id = $1 and d.integration = $2 and d.status = any ($3)
   and d.kind = coalesce($4, d.kind) and d.kind not like 'opt%' order by d.created_at
"""


async def _rows(
    house: House, name: str, integration: str, statuses: set[str], kind: str | None = None
) -> list[Any]:
    async with connect_owner(house.services.admin_url) as owner:
        rows = await owner.fetch(_ROWS, _client(name), integration, list(statuses), kind)
        return list(rows)


async def _told(
    house: House, name: str, integration: str, count: int, kind: str = "appointment_created"
) -> bool:
    return len(await _rows(house, name, integration, LEFT, kind)) == count


async def _said(house: House, delivery_id: Any, kind: str) -> list[dict[str, Any]]:
    async with house.services.database.as_oncall() as connection:
        rows = await connection.fetch(
            "select data from timeline where delivery_id = $1 and kind = $2", delivery_id, kind
        )
    return [row["data"] for row in rows]


async def _choose(house: House, name: str, number: str, zone: str = ZONE, **ways: str) -> None:
    """The client as the front desk has them, with what they chose."""
    new = replace(
        new_appointment(_mail(name), house.services.clock.now() + THREE_DAYS, f"{name}-0"),
        client_phone=Phi(number),
        client_timezone=zone,
        status="cancelled",
    )
    await book(house.services, system_claims(house.practice_id), new)
    async with connect_owner(house.services.admin_url) as owner:
        await write_agreements(owner)
        await owner.execute(
            "update client set text_agreed_at = app.now(), reminders_by = $2, changes_by = $3"
            " where external_id = $1",
            _client(name),
            ways["reminders_by"],
            ways["changes_by"],
        )


async def _book(house: House, name: str, starts_at: datetime, external_id: str) -> None:
    new = replace(new_appointment(_mail(name), starts_at, external_id), client_timezone=None)
    await book(house.services, system_claims(house.practice_id), new)


_UNDERSTOOD = "select count(*) from text_message where meaning is not null"


async def _text(house: House, body: str, sender: str = ANA) -> None:
    """A client texts the practice, and it is understood."""
    async with connect_owner(house.services.admin_url) as owner:
        secrets = await read_secrets(owner, house.services.vault, "sms", "default")
        assert secrets is not None
        before = await owner.fetchval(_UNDERSTOOD)
        account = account_id("sms", "twilio", f"{secrets['account_sid']}:{secrets['auth_token']}")
        said = {"from": sender, "to": secrets["phone_number"], "body": body, "account": account}
        await house.sandbox("POST", "/texts/sms/twilio", said)

        async def heard() -> bool:
            return bool(before < await owner.fetchval(_UNDERSTOOD))

        await until(heard)


async def _reach(house: House, at: datetime) -> None:
    await house.advance(at - house.services.clock.now())


def _noon(house: House) -> str:
    """A zone where it is noon: no text waits for the morning."""
    return f"Etc/GMT{house.services.clock.now().hour - 12:+d}"


def _mail(name: str) -> str:
    return f"{name}@demo.example"


def _client(name: str) -> str:
    return f"c-{_mail(name)}"
