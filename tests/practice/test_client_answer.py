"""A client answers by the link in a mail: what it does, how often, how late, and for whom."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mentalspace.engine.secrets import Vault
from mentalspace.engine.services import Services
from mentalspace.engine.signing import Signer, derive_keys
from mentalspace.practice.reminder_policy import save_policy
from mentalspace.workflows.appointments import book, cancel, reschedule
from mentalspace.workflows.calendar_import import import_calendar
from mentalspace.workflows.client_answer import call_off, confirm, look
from tests.conftest import MASTER_KEY
from tests.house import new_appointment
from tests.practice.office import Office

HOUR = timedelta(hours=1)


async def booked(office: Office, *, hours: float = 72) -> tuple[Any, str]:
    """The appointment's id, and the token in its first mail."""
    starts_at = office.services.clock.now() + hours * HOUR
    new = new_appointment("client@demo.example", starts_at, "a-1")
    done = await book(office.services, office.claims, new)
    return done.appointment_id, await token(office)


async def token(office: Office, which: int = 0) -> str:
    mail = (await office.written())[which]
    found = re.search(r"/a/([^\s#]+)", mail.text)
    assert found is not None, mail.text
    return found[1]


async def audited(office: Office) -> list[str]:
    rows = await office.fetch("select actor, action from audit order by id")
    return [f"{row['actor']}: {row['action']}" for row in rows]


async def test_every_mail_that_can_be_answered_carries_the_links(office: Office) -> None:
    """Booking, move and reminder carry both answers, a cancellation none; no link names anybody."""
    appointment, _ = await booked(office)
    await reschedule(
        office.services,
        office.claims,
        appointment,
        starts_at=office.services.clock.now() + 90 * HOUR,
    )
    await cancel(office.services, office.claims, appointment)
    for mail in await office.written():
        links = re.findall(r"http://127\.0\.0\.1:\d+/a/([\w.-]+)(#cancel)?", mail.text)
        wanted = 0 if mail.kind == "appointment_cancelled" else 2
        assert len(links) == wanted, mail.kind
        assert all(len(link[0]) < 80 for link in links)


async def test_confirming_counts_once(office: Office) -> None:
    """However often and at once it is pressed, it is noted once, in the client's name."""
    appointment, link = await booked(office)
    views = await asyncio.gather(*(confirm(office.services, link) for _ in range(4)))
    assert {view.state for view in views if view} == {"confirmed"}
    assert await audited(office) == ["client by link: appointment.confirmed"]
    [row] = await office.fetch("select confirmed_at, version, status from appointment")
    assert row["confirmed_at"] is not None
    assert (row["version"], row["status"]) == (1, "scheduled")
    lines = await office.fetch("select data from timeline where kind = 'appointment_confirmed'")
    assert lines == [{"data": {"appointment": str(appointment)}}]
    assert ("reminder", "pending") in await office.mails()


async def test_cancelling_drops_what_waits_and_asks_the_front_desk(office: Office) -> None:
    """The reminder is cancelled, the client told, the front desk given one task; once."""
    _, link = await booked(office)
    await confirm(office.services, link)
    for _ in range(2):
        view = await call_off(office.services, link)
        assert view is not None and view.state == "cancelled"
    assert sorted(await office.mails()) == [
        ("cancelled", "pending"),
        ("created", "cancelled"),
        ("reminder", "cancelled"),
    ]
    assert (await audited(office))[1:] == ["client by link: appointment.cancelled"]
    [task] = await office.fetch("select for_role, text, client_id from task")
    assert task["for_role"] == "front_desk"
    assert "Take out of your calendar" in task["text"]
    actors = await office.fetch("select distinct actor from timeline where kind = 'cancelled'")
    assert actors == [{"actor": "client by link"}]


async def test_the_calendar_does_not_bring_it_back(office: Office) -> None:
    """A file that still has the hour the client cancelled leaves it cancelled; another hour of
    the practice's is a new word."""
    head = "external_id,client_external_id,client_name,client_email,starts_at,duration_min"
    row = "a-1,c-1,Cleo Client,cleo@demo.example,2031-05-0{}T09:00,50"

    async def land(day: int) -> None:
        data = f"{head}\n{row.format(day)}\n".encode()
        await import_calendar(office.services, office.claims, data, "x.csv", imported_by="Sam")

    await land(2)
    await call_off(office.services, await token(office))
    await land(2)
    [seen] = await office.fetch("select status, cancelled_by from appointment")
    assert seen == {"status": "cancelled", "cancelled_by": "client"}
    await land(3)
    [seen] = await office.fetch("select status, cancelled_by from appointment")
    assert seen == {"status": "scheduled", "cancelled_by": None}


@pytest.mark.parametrize(("before_h", "hours", "state"), [(24, 23.9, "open"), (0, 1, "cancelled")])
async def test_the_practices_policy_decides_how_late(
    office: Office, before_h: int, hours: float, state: str
) -> None:
    """Later than the policy allows nothing is changed; a practice may leave it open to the end."""
    async with office.services.database.as_user(office.claims) as connection:
        await save_policy(connection, office.practice_id, (1440,), before_h)
    _, link = await booked(office, hours=hours)
    view = await call_off(office.services, link)
    assert view is not None and view.state == state
    [row] = await office.fetch("select status from appointment")
    assert (row["status"] == "cancelled") == (state == "cancelled")
    assert (await audited(office) == []) == (state == "open")


async def test_an_answer_is_about_the_hour_the_mail_named(office: Office) -> None:
    """Moved, the old link answers nothing and tells nothing; the new mail's does, and what was
    confirmed is open again."""
    appointment, old = await booked(office)
    await confirm(office.services, old)
    await reschedule(
        office.services,
        office.claims,
        appointment,
        starts_at=office.services.clock.now() + 90 * HOUR,
    )
    for act in (confirm, call_off):
        view = await act(office.services, old)
        assert view is not None and view.state == "changed"
    [row] = await office.fetch("select status, confirmed_at from appointment")
    assert row == {"status": "scheduled", "confirmed_at": None}
    newest = [m for m in await office.written() if m.kind == "appointment_updated"]
    found = re.search(r"/a/([^\s#]+)", newest[0].text)
    assert found is not None
    view = await look(office.services, found[1])
    assert view is not None and view.state == "open"


async def test_whoever_was_written_to_by_mistake_has_no_say(office: Office) -> None:
    """A corrected address takes the answer from the wrong one; a new zone takes nothing."""
    head = "external_id,client_external_id,client_name,client_email,client_timezone,starts_at,duration_min"  # noqa: E501
    row = "a-1,c-1,Cleo Client,{},{},2031-05-02T09:00-04:00,50"

    async def land(email: str, zone: str) -> None:
        data = f"{head}\n{row.format(email, zone)}\n".encode()
        await import_calendar(office.services, office.claims, data, "x.csv", imported_by="Sam")

    await land("wrong@demo.example", "America/Denver")
    link = await token(office)
    await land("wrong@demo.example", "America/Chicago")
    view = await look(office.services, link)
    assert view is not None and (view.state, view.timezone) == ("open", "America/Chicago")
    await land("right@demo.example", "America/Chicago")
    view = await call_off(office.services, link)
    assert view is not None and view.state == "changed"
    assert await office.fetch("select status from appointment") == [{"status": "scheduled"}]


async def test_a_new_master_key_leaves_links_as_they_are(office: Office) -> None:
    """While the key before is known, a link made under it answers; without it, none does."""
    _, link = await booked(office)
    new = b"n" * 32

    def under(*masters: bytes) -> Services:
        keys = [key for master in masters for key in derive_keys(master, ["1"])]
        return replace(office.services, vault=Vault(*masters), signer=Signer(keys))

    view = await look(under(new, MASTER_KEY), link)
    assert view is not None and view.state == "open"
    assert await look(under(new), link) is None


async def test_what_is_over_or_unknown(office: Office) -> None:
    """Once begun it is past; what we did not sign is nothing; another purpose's token neither."""
    appointment, link = await booked(office)
    other = office.services.signer.sign(
        "reset", appointment.bytes, office.services.clock.now() + HOUR
    )
    for bad in ("", "1.", link[:-1], other):
        assert await look(office.services, bad) is None
        assert await call_off(office.services, bad) is None
    office.services.clock.offset += 73 * HOUR
    for act in (look, confirm, call_off):
        view = await act(office.services, link)
        assert view is not None and view.state == "past"
    assert await audited(office) == []
