"""A client's address and number put right, and how the number is dialled then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mentalspace.engine.suppression import suppress
from mentalspace.integrations.sms.number import NotANumber
from mentalspace.kernel.phi import Phi
from mentalspace.practice.phone_line import learn_kind
from mentalspace.practice.suppression import lift_suppression
from mentalspace.workflows.appointments import book
from mentalspace.workflows.client_reach import change_reach, read_numbers
from tests.house import new_appointment, write_agreements
from tests.practice.office import Office

pytestmark = pytest.mark.database


async def test_a_number_is_read_whoever_writes_it(office: Office, admin: Any) -> None:
    """A correction is normalised, says what cannot be texted, closes the task, and has the texts
    that wait written anew; a number written past all that is not dialled until it was read."""
    services, claims = office.services, office.claims
    new = new_appointment("k@demo.example", services.clock.now() + timedelta(days=10), "a-1")
    await book(services, claims, replace(new, client_phone=Phi("(202) 555-0142")))
    client_id = await admin.fetchval("select id from client")
    await write_agreements(admin)
    await admin.execute(
        "update client set reminders_by = 'text', changes_by = 'text', text_agreed_at = now()"
    )
    await admin.execute(
        "insert into task (practice_id, for_role, text, case_id, client_id, topic)"
        " values ($1, 'front_desk', 'Ask for a number', 'sms.landline', $2, 'phone')",
        office.practice_id,
        client_id,
    )

    async def dialled() -> tuple[str | None, str | None]:
        row = await admin.fetchrow("select phone_e164, phone_problem from client")
        return row["phone_e164"], row["phone_problem"]

    async def corrected(number: str) -> str:
        return await change_reach(services, claims, client_id, None, Phi(number))

    assert await corrected("202-555-0143") == "saved"
    assert await dialled() == ("+12025550143", None)
    assert await admin.fetchval("select state from task") == "done"
    assert await admin.fetchval(
        "select recipient_phone from notification_logs where status = 'pending'"
    ) == ("+12025550143")
    assert await corrected("202-555-0143") == "same"
    assert await corrected("+44 20 7946 0958") == "no_texts"
    assert await dialled() == ("+442079460958", "landline")
    with pytest.raises(NotANumber, match="area code"):
        await corrected("+1 202 555 01")
    assert await dialled() == ("+442079460958", "landline")
    await admin.execute("update client set phone = '202 555 01'")
    await read_numbers(services)
    assert await dialled() == (None, "too_short")
    await admin.execute("update client set phone = '202 555 0144'")
    assert await dialled() == (None, None)
    await read_numbers(services)
    assert await dialled() == ("+12025550144", None)


async def test_what_was_learned_of_a_number_outlives_its_spelling(
    office: Office, admin: Any
) -> None:
    """A booking that brings the number along, or another way to type it, forgets nothing; another
    number does, and who comes back to the first finds it known. A person lifts it."""
    services, claims = office.services, office.claims
    new = new_appointment("k@demo.example", services.clock.now() + timedelta(days=10), "a-1")
    await book(services, claims, replace(new, client_phone=Phi("(202) 555-0142")))
    client_id = await admin.fetchval("select id from client")
    key = services.vault.recipient_key(office.practice_id, "+12025550142")
    async with services.database.as_worker(office.practice_id) as connection:
        await learn_kind(connection, office.practice_id, "+12025550142", "landline", "carrier")
        listed = await suppress(
            connection, office.practice_id, "sms", key, reason="landline", client_id=client_id
        )
    assert listed is not None

    async def known() -> tuple[str, str | None]:
        row = await admin.fetchrow("select phone_kind, phone_problem from client")
        return row["phone_kind"], row["phone_problem"]

    for number, typed in enumerate(("(202) 555-0142", "202.555.0142", "+1 202-555-0142")):
        again = replace(new, external_id=f"b-{number}", client_phone=Phi(typed))
        await book(services, claims, again)
        assert await known() == ("landline", "landline")
    for typed, kind in (
        ("202 555 0143", ("either", None)),
        ("202 555 0142", ("landline", "landline")),
    ):
        await change_reach(services, claims, client_id, None, Phi(typed))
        assert await known() == kind
    async with services.database.as_user(claims) as connection:
        assert await lift_suppression(
            connection, office.practice_id, listed, client_asked=False, actor="a", name="Sam"
        )
    assert await known() == ("either", None)
