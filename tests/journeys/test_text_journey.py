"""A text through the whole house: booked, sent, followed by its callbacks, and what if it fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from mentalspace.engine.db import connect_owner
from mentalspace.kernel.phi import Phi
from mentalspace.workflows.appointments import book
from mentalspace.workflows.demo import system_claims
from tests.house import House, new_appointment, until, write_agreements

PHONE = "+12025550147"


async def telephones(house: House, fates: dict[str, str]) -> None:
    """What becomes of texts to these numbers, in place of what the demo has telephones do; asked
    beforehand, Twilio takes them all for mobiles."""
    for account in await house.sandbox("GET", "/accounts"):
        if account["room"] == "sms":
            options = {**account["options"], "fates": fates, "line_types": {"*": "mobile"}}
            path = f"/accounts/sms/twilio/{account['id']}"
            await house.sandbox("PATCH", path, {"options": options})


async def book_by_text(house: House, *, falls_back: bool) -> None:
    """The client chose texts. Where they are it is noon: none waits for the morning."""
    now = house.services.clock.now()
    new = replace(
        new_appointment("c@demo.example", now + timedelta(hours=20), "a-0"),
        client_phone=Phi(PHONE),
        client_timezone=f"Etc/GMT{now.hour - 12:+d}",
    )
    claims = system_claims(house.practice_id)
    await book(house.services, claims, replace(new, status="cancelled"))
    async with connect_owner(house.services.admin_url) as owner:
        await write_agreements(owner)
        await owner.execute(
            "update client set reminders_by = 'text', changes_by = 'text', text_agreed_at = now(),"
            " text_falls_back = $1",
            falls_back,
        )
    await book(house.services, claims, replace(new, external_id="a-1"))


async def test_a_text_is_delivered_and_every_callback_is_kept(house: House) -> None:
    """Accepted is not delivered: the callback says that, and the projection has both times."""
    await book_by_text(house, falls_back=True)
    await until(lambda: _ended(house, {"created": "delivered"}))
    [text] = [row for row in await house.deliveries() if row["kind"] == "appointment_created"]
    kinds = await house.timeline(text["id"])
    assert kinds.index("accepted") < kinds.index("provider_event")
    async with connect_owner(house.services.admin_url) as owner:
        row = await owner.fetchrow("select * from notification_logs where occasion = 'created'")
    assert row["sent_date"] <= row["delivered_at"]
    assert (row["sent_successfully"], row["recipient_phone"]) == (True, PHONE)
    [item] = await house.sandbox("GET", "/mailbox?room=sms")
    assert item["content"]["to"] == PHONE


async def test_a_telephone_that_is_off_is_told_by_mail(house: House) -> None:
    """The carrier's 30003 comes by callback; the same news goes by mail, and arrives once."""
    await telephones(house, {"*": "30003"})
    await book_by_text(house, falls_back=True)
    await until(lambda: _ended(house, {"created": "undelivered"}))
    await until(lambda: _mailed(house))
    [text, mail] = sorted(await house.deliveries(), key=lambda row: row["status"])
    assert (text["status"], text["last_case"]) == ("bounced", "sms.handset_unreachable")
    assert "told_by_mail" in await house.timeline(text["id"])
    assert mail["status"] == "delivered"
    [item] = await house.sandbox("GET", "/mailbox?room=email")
    assert item["content"]["to"] == ["c@demo.example"]


async def _ended(house: House, wanted: dict[str, str]) -> bool:
    async with connect_owner(house.services.admin_url) as owner:
        rows = await owner.fetch("select occasion, status from notification_logs")
    return {row["occasion"]: row["status"] for row in rows} == wanted


async def _mailed(house: House) -> bool:
    return "delivered" in {row["status"] for row in await house.deliveries()}
