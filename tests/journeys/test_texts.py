"""A client answers a reminder on their telephone, and the front desk reads the rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from mentalspace.engine.db import connect_owner
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.integrations.sms.model import Text
from mentalspace.kernel.phi import Phi
from mentalspace.workflows.appointments import book
from mentalspace.workflows.demo import system_claims
from tests.house import House, new_appointment, until

NUMBER, TYPED = "+12025550142", "(202) 555-0142"


async def _reminded(house: House) -> UUID:
    """An appointment in three days, and a text about it, taken by the sandbox."""
    services = house.services
    new = replace(
        new_appointment("a@demo.example", services.clock.now() + timedelta(days=3), "a-1"),
        client_phone=Phi(TYPED),
    )
    booked = (await book(services, system_claims(house.practice_id), new)).appointment_id
    async with services.database.as_worker(house.practice_id) as connection:
        text = NewDelivery(
            practice_id=house.practice_id,
            integration="sms",
            lane_class="bulk",
            kind="reminder",
            idempotency_key="test/reminder",
            payload=Text(NUMBER, "Reply 1 to confirm.", "reminder", "en").to_bytes(),
            recipient=Phi(NUMBER),
            subject_type="appointment",
            subject_id=booked,
        )
        sent = await enqueue(connection, services.vault, text)

    async def gone() -> bool:
        found = [d["status"] for d in await house.deliveries() if d["id"] == sent]
        return found in (["accepted"], ["delivered"])

    await until(gone)
    return booked


async def _kinds(house: House) -> dict[str, str]:
    return {d["kind"]: d["status"] for d in await house.deliveries()}


async def test_a_client_confirms_by_text_and_asks_for_more(house: House, logs: Path) -> None:
    """The 1 comes by a signed webhook and is answered on the telephone; a question becomes a task.
    Neither words nor number reach a log or a timeline."""
    booked = await _reminded(house)
    [seen, *_] = await house.sandbox("GET", "/mailbox?room=sms")

    async def text(body: str) -> None:
        message = {"from": NUMBER, "to": seen["content"]["from"], "body": body}
        message["account"] = seen["account"]
        await house.sandbox("POST", "/texts/sms/twilio", message)

    await text("1")
    await until(lambda: _has(house, "answer_confirmed", ("accepted", "delivered")))
    async with connect_owner(house.services.admin_url) as owner:
        assert await owner.fetchval("select confirmed_at from appointment where id = $1", booked)
        await text("Where can I leave my xylophone?")
        await until(lambda: _has(house, "answer_unclear", ("accepted", "delivered")))
        assert await owner.fetchval("select count(*) from task where topic = 'answer'") == 1
        timeline = await owner.fetchval("select string_agg(t::text, ' ') from timeline t")
    everything = timeline + logs.read_text()  # noqa: ASYNC240 (the loop is the test's own)
    assert "xylophone" not in everything
    assert NUMBER.removeprefix("+1") not in everything


async def _has(house: House, kind: str, statuses: tuple[str, ...]) -> bool:
    return (await _kinds(house)).get(kind) in statuses
