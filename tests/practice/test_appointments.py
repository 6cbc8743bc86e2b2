"""Booking, moving, cancelling: what the calendar says afterwards, and which mails that means."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from mentalspace.workflows.appointments import (
    AppointmentCancelled,
    AppointmentExists,
    AppointmentUnknown,
    Booked,
    book,
    cancel,
    reschedule,
)
from mentalspace.workflows.demo import system_claims
from tests.house import new_appointment
from tests.practice.office import Office

HOUR = timedelta(hours=1)
ADDRESS = "client@demo.example"


async def booked(
    office: Office, *, hours: float = 72, to: str | None = ADDRESS, external_id: str = "a-1"
) -> Booked:
    starts_at = office.services.clock.now() + hours * HOUR
    return await book(office.services, office.claims, new_appointment(to, starts_at, external_id))


async def test_a_booking_writes_its_mail_and_its_reminder(office: Office) -> None:
    """Three days ahead, the client is told now, and again a day before by their own clock; both
    expire with it."""
    await booked(office)
    assert await office.mails() == [("created", "pending"), ("reminder", "pending")]
    [row] = await office.fetch(
        "select a.starts_at at time zone 'America/Chicago' - (r.due_at at time zone"
        " 'America/Chicago') as lead, c.due_at <= app.now() as at_once,"
        " c.expires_at = a.starts_at and r.expires_at = a.starts_at as expire"
        " from appointment a join delivery c on c.subject_id = a.id and c.kind <> 'reminder'"
        " join delivery r on r.subject_id = a.id and r.kind = 'reminder'"
    )
    assert row == {"lead": 24 * HOUR, "at_once": True, "expire": True}


async def test_a_booking_within_a_day_has_no_reminder(office: Office) -> None:
    """When the reminder's time has passed already, the booking's own mail is all there is."""
    await booked(office, hours=20)
    assert await office.mails() == [("created", "pending")]


@pytest.mark.parametrize(("to", "hours"), [(None, 72), (ADDRESS, -2)])
async def test_who_cannot_be_told_is_noted(office: Office, to: str | None, hours: float) -> None:
    """Without an address, or for the past, no mail is written; the timeline says why."""
    await booked(office, to=to, hours=hours)
    assert await office.mails() == []
    rows = await office.fetch("select data from timeline where kind = 'mail_not_written'")
    reasons = {row["data"]["reason"] for row in rows}
    assert reasons == ({"no address"} if to is None else {"it lies in the past"})


async def test_a_booking_and_its_mails_are_one_act(
    office: Office, admin: asyncpg.Connection[Any]
) -> None:
    """If the mail cannot be written, there is no appointment and no client either."""
    await admin.execute("alter table appointment_notifications add check (false) not valid")
    with pytest.raises(asyncpg.CheckViolationError):
        await booked(office)
    for table in ("appointment", "client", "delivery", "timeline"):
        assert await office.fetch(f"select 1 from {table}") == [], table


async def test_the_same_external_id_is_not_booked_twice(office: Office) -> None:
    """A second booking under a known external id is refused and changes nothing."""
    await booked(office)
    with pytest.raises(AppointmentExists):
        await booked(office, hours=100, to="other@demo.example")
    assert len(await office.mails()) == 2
    assert len(await office.fetch("select 1 from client")) == 1


async def test_moving_replaces_what_has_not_left(office: Office) -> None:
    """The old time's pending mails are cancelled; the client is told the new time and reminded."""
    first = await booked(office)
    moved = await reschedule(
        office.services,
        office.claims,
        first.appointment_id,
        starts_at=office.services.clock.now() + 100 * HOUR,
    )
    assert (moved.change, moved.version) == ("changed", 2)
    assert sorted(await office.mails()) == [
        ("created", "cancelled"),
        ("reminder", "cancelled"),
        ("reminder", "pending"),
        ("updated", "pending"),
    ]


async def test_moving_to_where_it_is_changes_nothing(office: Office) -> None:
    """The same time again sends nothing and raises no version."""
    first = await booked(office)
    [row] = await office.fetch("select starts_at from appointment")
    again = await reschedule(
        office.services, office.claims, first.appointment_id, starts_at=row["starts_at"]
    )
    assert (again.change, again.version) == ("unchanged", 1)
    assert len(await office.mails()) == 2


async def test_cancelling_tells_once(office: Office) -> None:
    """Cancelling drops the reminder and tells the client; cancelling again does nothing."""
    first = await booked(office)
    assert (await cancel(office.services, office.claims, first.appointment_id)).change == (
        "cancelled"
    )
    after = sorted(await office.mails())
    assert after == [("cancelled", "pending"), ("created", "cancelled"), ("reminder", "cancelled")]
    assert (await cancel(office.services, office.claims, first.appointment_id)).change == (
        "unchanged"
    )
    assert sorted(await office.mails()) == after


async def test_a_cancelled_appointment_is_not_moved(office: Office) -> None:
    """What is cancelled is booked anew, not moved."""
    first = await booked(office)
    await cancel(office.services, office.claims, first.appointment_id)
    with pytest.raises(AppointmentCancelled):
        await reschedule(
            office.services,
            office.claims,
            first.appointment_id,
            starts_at=office.services.clock.now() + 100 * HOUR,
        )


async def test_another_practices_appointment_is_unknown(office: Office) -> None:
    """With another practice's claims an appointment cannot be found, moved or cancelled."""
    first = await booked(office)
    theirs = system_claims(office.other_id)
    for appointment_id in (first.appointment_id, uuid4()):
        with pytest.raises(AppointmentUnknown):
            await cancel(office.services, theirs, appointment_id)
        with pytest.raises(AppointmentUnknown):
            await reschedule(
                office.services,
                theirs,
                appointment_id,
                starts_at=datetime(2030, 1, 1, tzinfo=UTC),
            )
    assert await office.fetch("select status from appointment") == [{"status": "scheduled"}]


async def test_two_practices_may_use_the_same_ids(office: Office) -> None:
    """External ids are a practice's own: the same one elsewhere is another appointment."""
    first = await booked(office)
    starts_at = office.services.clock.now() + 72 * HOUR
    second = await book(
        office.services,
        system_claims(office.other_id),
        new_appointment(ADDRESS, starts_at, "a-1"),
    )
    assert second.change == "new"
    assert second.appointment_id != first.appointment_id


async def test_the_mail_speaks_the_clients_time_and_names_nobody(office: Office) -> None:
    """The time is the client's, the practice is named, and the client and clinician are not."""
    starts_at = datetime(2030, 7, 4, 15, 30, tzinfo=UTC)
    await book(office.services, office.claims, new_appointment(ADDRESS, starts_at, "a-1"))
    for mail in await office.written():
        assert mail.to == ADDRESS
        assert "Thursday, July 4" in mail.subject
        for body in (mail.text, mail.html):
            assert "10:30 AM Central Time (CDT)" in body.replace("\N{NO-BREAK SPACE}", " ")
            assert "Lakeside Counseling" in body
            assert "Testa" not in body
        assert "Testa" not in mail.subject


async def test_a_practice_without_a_credential_still_books(
    office: Office, admin: asyncpg.Connection[Any]
) -> None:
    """Nothing downstream stops the clinical act: the appointment stands, the mail is failed."""
    await admin.execute("update credential set active = false")
    await booked(office)
    assert await office.mails() == [("created", "failed"), ("reminder", "failed")]
    [row, _] = await office.fetch(
        "select error_message, delivery_id from appointment_notifications"
    )
    assert "credential" in row["error_message"]
    assert row["delivery_id"] is None


async def test_two_moves_at_once_end_in_one_time(office: Office) -> None:
    """Two people moving the same appointment: one after the other, one reminder is left."""
    first = await booked(office)
    now = office.services.clock.now()

    async def move(hours: int) -> Booked:
        return await reschedule(
            office.services, office.claims, first.appointment_id, starts_at=now + hours * HOUR
        )

    results = await asyncio.gather(*(move(hours) for hours in (90, 100, 110)))
    assert sorted(r.version for r in results) == [2, 3, 4]
    [appointment] = await office.fetch("select id, starts_at, version from appointment")
    pending = await office.fetch(
        "select kind, expires_at from delivery where status = 'pending' order by kind"
    )
    assert [row["kind"] for row in pending] == ["appointment_updated", "reminder"]
    assert {row["expires_at"] for row in pending} == {appointment["starts_at"]}
    assert isinstance(appointment["id"], UUID)
