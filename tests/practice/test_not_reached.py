"""Who counts as not reached: a table of histories, each booked and then walked by hand."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from mentalspace.kernel.phi import Phi
from mentalspace.practice.appointment import NewAppointment
from mentalspace.practice.not_reached import (
    count_unreached,
    mark_told,
    read_coming,
    read_unreached,
)
from mentalspace.workflows.appointments import book
from mentalspace.workflows.demo_history import Wanted, make_history
from tests.practice.office import Office

pytestmark = pytest.mark.database

WEEK = timedelta(days=7)
# What became of the confirmation, hours passed since, and of the reminder a day before (None while
# its time has not come): the verdict. The appointment is three days away.
HISTORIES = {
    "delivered": ("due sending accepted delivered", 0, None, "reached"),
    "just accepted": ("due sending accepted", 0, None, "waiting"),
    "accepted long ago": ("due sending accepted", 2, None, "not_reached"),
    "just put in": ("", 0, None, "waiting"),
    "never picked up": ("", 2, None, "not_reached"),
    "outcome unknown": ("due sending unknown", 0, None, "waiting"),
    "unknown for long": ("due sending unknown", 0.2, None, "not_reached"),
    "asked again for long": ("due sending unknown sending", 0.2, None, "not_reached"),
    "came back": ("due sending accepted bounced", 0, None, "not_reached"),
    "refused": ("due sending refused", 0, None, "not_reached"),
    "held for a person": ("due sending held", 0, None, "not_reached"),
    "called off": ("cancelled", 0, None, "unsaid"),
    "reminder came back": ("due sending accepted delivered", 50, "due sending accepted bounced",
                           "not_reached"),
    "only the reminder arrived": ("due sending accepted bounced", 50,
                                  "due sending accepted delivered", "reached"),
    "reminder too late": ("due sending accepted delivered", 50, "expired", "not_reached"),
}  # fmt: skip


async def booked(office: Office, name: str, email: str | None = "k@demo.example") -> UUID:
    outcome = await book(
        office.services,
        office.claims,
        NewAppointment(
            external_id=f"a-{name}",
            client_external_id=f"c-{name}",
            client_name=Phi(name),
            client_email=Phi(email) if email else None,
            client_phone=Phi("+13125550142"),
            client_timezone="America/Chicago",
            client_language="en",
            clinician_email="clinician@demo.example",
            starts_at=office.services.clock.now() + timedelta(days=3),
            duration_min=50,
        ),
    )
    return outcome.appointment_id


async def walk(admin: Any, appointment: UUID, kind: str, statuses: str) -> None:
    for status in statuses.split():
        await admin.execute(
            "update delivery set status = $3 where subject_id = $1 and kind = $2",
            appointment,
            kind,
            status,
        )


async def states(office: Office) -> dict[UUID, str]:
    until = office.services.clock.now() + WEEK
    async with office.services.database.as_user(office.claims) as connection:
        coming = await read_coming(connection, office.practice_id, until)
    return {one.id: one.state for one in coming}


async def test_each_history_has_its_verdict(office: Office, admin: Any) -> None:
    """Only what was delivered reaches somebody, and only the newest notice counts."""
    made = {name: await booked(office, name) for name in HISTORIES}
    nobody = await booked(office, "no address", None)
    for after, more in ((0, 0), (0.2, 0.2), (2, 1.8), (50, 48)):
        await office.advance(timedelta(hours=more))
        for name, (first, hours, second, _verdict) in HISTORIES.items():
            if after == 0:
                await walk(admin, made[name], "appointment_created", first)
            if hours == after and second:
                await walk(admin, made[name], "reminder", second)
        found = await states(office)
        for name, (_first, hours, _second, verdict) in HISTORIES.items():
            if hours == after:
                assert (name, found[made[name]]) == (name, verdict)
        assert found[nobody] == "not_reached"


async def test_another_channel_counts(office: Office, admin: Any) -> None:
    """The same notice on two channels: one that arrived is enough, whichever it is."""
    appointment = await booked(office, "two channels")
    await admin.execute(
        "insert into delivery (practice_id, lane_id, credential_id, integration, kind,"
        " subject_type, subject_id, client_id, recipient_key, payload, idempotency_key,"
        " traceparent) select practice_id, lane_id, credential_id, 'sms', kind, subject_type,"
        " subject_id, client_id, recipient_key, payload, 'sms' || substr(idempotency_key, 6),"
        " traceparent from delivery where subject_id = $1 and kind = 'appointment_created'",
        appointment,
    )
    for status in "due sending accepted".split():
        await walk(admin, appointment, "appointment_created", status)
    for integration, status, verdict in (
        ("sms", "bounced", "waiting"),
        ("email", "delivered", "reached"),
    ):
        await admin.execute(
            "update delivery set status = $3 where subject_id = $1 and integration = $2"
            " and kind = 'appointment_created'",
            appointment,
            integration,
            status,
        )
        assert (await states(office))[appointment] == verdict


async def test_somebody_told_them_by_telephone(office: Office, admin: Any) -> None:
    """It is kept and audited, the runbook's task is done, and another practice sees nothing; but
    an appointment that moves must be told anew."""
    services = office.services
    appointment = await booked(office, "called")
    await walk(admin, appointment, "appointment_created", "due sending accepted bounced")
    await admin.execute(
        "insert into task (practice_id, for_role, text, case_id, delivery_id, client_id)"
        " select practice_id, 'front_desk', 'Ask for an address', 'email.bounced', id, client_id"
        " from delivery where subject_id = $1 and kind = 'appointment_created'",
        appointment,
    )
    until, user = services.clock.now() + WEEK, uuid4()
    async with services.database.as_user(office.claims) as connection:
        (client,) = await read_unreached(connection, office.practice_id, until)
        assert client.name == "called"
        assert client.tasks == ["Ask for an address"]
        assert [(t.status, t.integration) for t in client.appointments[0].tries] == [
            ("bounced", "email")
        ]
        told = await mark_told(connection, office.practice_id, client.id, until, user)
        again = await mark_told(connection, office.practice_id, client.id, until, user)
        assert (told, again) == (1, 0)
        assert await count_unreached(connection, office.practice_id, until) == 0
    assert (await states(office))[appointment] == "reached"
    assert await admin.fetchval("select state from task") == "done"
    assert await admin.fetchval(
        "select actor from audit where action = 'client.told_by_phone'"
    ) == str(user)
    await admin.execute("update appointment set version = version + 1 where id = $1", appointment)
    assert (await states(office))[appointment] == "not_reached"


async def test_a_practice_of_some_size_does_not_wait(office: Office, admin: Any) -> None:
    """Of three hundred clients the coming days are read at once, and both readings agree."""
    services = office.services
    await admin.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    await make_history(services, admin, Wanted(300, seed=7), password="-", now=services.clock.now())
    await admin.execute("analyze")
    until = services.clock.now() + timedelta(days=3)
    async with services.database.as_user(office.claims) as connection:
        began = time.perf_counter()
        coming = await read_coming(connection, office.practice_id, until)
        unreached = await read_unreached(connection, office.practice_id, until)
        took = time.perf_counter() - began
    assert unreached
    assert {c.id for c in unreached} == {
        one.client_id for one in coming if one.state == "not_reached"
    }
    assert took < 0.3
