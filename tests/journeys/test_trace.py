"""A click's trace reaches the provider."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from mentalspace.practice.token import mint_token
from tests.house import House, until

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_a_requests_trace_is_carried_to_delivery_and_attempt(house: House) -> None:
    """The trace of the HTTP request that booked is the delivery's and the attempt's."""
    async with house.services.database.as_door() as connection:
        user_id = await connection.fetchval(
            "select user_id from membership where role = 'front_desk'"
        )
    token = mint_token(
        house.services.jwt_secret,
        user_id=user_id,
        role="front_desk",
        practice_id=house.practice_id,
        client_id=None,
    )
    body: dict[str, Any] = {
        "external_id": "t-1",
        "client_external_id": "c-1",
        "client_name": "Testa Person",
        "client_email": "testa@demo.example",
        "starts_at": (house.services.clock.now() + timedelta(hours=20)).isoformat(),
        "duration_min": 50,
    }
    headers = {
        "Authorization": f"Bearer {token}",
        "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01",
    }
    async with house.http.post(
        f"{house.url}/v1/appointments", json=body, headers=headers
    ) as answer:
        assert answer.status == 201, await answer.text()
    await until(lambda: _seen(house))
    assert await _seen(house) == {TRACE_ID}


async def _seen(house: House) -> set[str]:
    """The trace ids of everything in the ledger, once there is an attempt."""
    async with house.services.database.as_oncall() as connection:
        attempts = await connection.fetch("select traceparent from attempt")
        deliveries = await connection.fetch("select traceparent from delivery")
    if not attempts:
        return set()
    return {row["traceparent"].split("-")[1] for row in [*attempts, *deliveries]}
