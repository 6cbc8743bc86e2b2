"""A text through the whole house: perhaps sent, never heard of again, and what Twilio tells us."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.engine.unknown import read_long_unknown
from mentalspace.integrations.sms.model import Text
from mentalspace.kernel.phi import Phi
from tests.house import House, until

CLIENT = "+12025550142"


async def test_an_unknown_text_is_shown_while_twilio_is_down(house: House) -> None:
    """Taken, the answer lost, no callback, the list late, then Twilio down: within a quarter of an
    hour a person sees it. When Twilio is back it is found, and there is one text."""
    await house.sandbox("PUT", "/options/sms/twilio", {"list_lag_s": 90})
    for fault in (
        {"kind": "status", "http": 503, "method": "GET"},
        {"kind": "hook_drop"},
        {"kind": "reset", "when": "after", "method": "POST", "times": 1},
    ):
        await house.sandbox("POST", "/faults", {"room": "sms", "provider": "twilio", **fault})
    delivery = await text(house)
    await until(lambda: status_is(house, delivery, "unknown"))
    await house.advance(timedelta(minutes=10))
    await until(lambda: told(house, delivery, "unknown_shown"))
    async with house.services.database.as_oncall() as connection:
        [shown] = await read_long_unknown(connection)
    assert (shown.integration, shown.provider, shown.number) == ("sms", "twilio", 1)
    await house.sandbox("DELETE", "/faults")
    await house.advance(timedelta(hours=1))
    await until(lambda: status_is(house, delivery, "accepted", "delivered"))
    assert len(await texts_at_twilio(house)) == 1
    async with house.services.database.as_oncall() as connection:
        assert await read_long_unknown(connection) == []


async def text(house: House, to: str = CLIENT) -> UUID:
    """Put one text into the ledger; its id."""
    new = NewDelivery(
        practice_id=house.practice_id,
        integration="sms",
        lane_class="interactive",
        kind="reminder",
        idempotency_key=f"sms/test/{to}",
        payload=Text(to, "See you at 9.", "reminder", "en").to_bytes(),
        recipient=Phi(to),
    )
    async with house.services.database.as_worker(house.practice_id) as connection:
        delivery = await enqueue(connection, house.services.vault, new)
    assert delivery is not None
    return delivery


async def status_is(house: House, delivery: UUID, *statuses: str) -> bool:
    return any(
        one["id"] == delivery and one["status"] in statuses for one in await house.deliveries()
    )


async def told(house: House, delivery: UUID, kind: str) -> bool:
    return kind in await house.timeline(delivery)


async def texts_at_twilio(house: House) -> list[dict[str, Any]]:
    return [one for one in await house.sandbox("GET", "/mailbox") if one["room"] == "sms"]
