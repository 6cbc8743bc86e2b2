"""One id follows a message: from the click to the provider, and back by its webhook."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from mentalspace.main import DEMO_PASSWORD
from mentalspace.practice.identity import log_in
from tests.house import House, until

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_one_id_is_on_every_line_from_the_click_to_the_webhook(
    house: House, logs: Path
) -> None:
    """The trace of the HTTP request that booked is the delivery's and the attempt's; request,
    attempt and webhook are found in the log by it, and the message's page names all of them."""
    asked = await house.ask_to_book(f"00-{TRACE_ID}-00f067aa0ba902b7-01", "t-1")
    [delivery] = await until(lambda: _delivered(house))
    rows = await _ledger(house, delivery["id"])
    assert {row["traceparent"].split("-")[1] for row in rows.values()} == {TRACE_ID}
    lines = [line for line in _lines(logs) if line.get("correlation_id") == TRACE_ID]
    said = {line["event"]: line for line in lines}
    assert said["request"]["request_id"] == asked
    answered = said["attempt_answered"]
    assert answered["attempt_id"] == str(rows["attempt"]["id"])
    assert answered["provider_request_id"] == rows["attempt"]["request_id"] is not None
    told = said["delivery_event"]
    assert told["delivery_id"] == str(delivery["id"])
    hooks = {line["request_id"] for line in lines if line["event"] == "delivery_event"}
    webhooks = [line for line in _lines(logs) if line.get("request_id") in hooks]
    paths = {line["path_template"] for line in webhooks if line["event"] == "request"}
    assert paths == {"/v1/hooks/{room}/{endpoint}"}
    page = await _page(house, delivery["id"])
    assert "Where the time went" in page
    assert "; 1 try: " in page
    assert "; the last news came " in page
    for shown in (TRACE_ID, asked, answered["provider_request_id"], *hooks):
        assert shown in page


def _lines(logs: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in logs.read_text().splitlines()]


async def _delivered(house: House) -> list[dict[str, Any]]:
    return [row for row in await house.deliveries() if row["status"] == "delivered"]


async def _ledger(house: House, delivery_id: UUID) -> dict[str, Any]:
    """The delivery's row and its attempt's."""
    async with house.services.database.as_oncall() as connection:
        return {
            "attempt": await connection.fetchrow("select id, traceparent, request_id from attempt"),
            "delivery": await connection.fetchrow(
                "select traceparent from delivery where id = $1", delivery_id
            ),
        }


async def _page(house: House, delivery_id: UUID) -> str:
    _person, cookie = await log_in(
        house.services.database, "admin@demo.example", DEMO_PASSWORD, demo_allowed=True
    )
    headers = {"Cookie": f"ms_session={cookie}"}
    async with house.http.get(f"{house.url}/messages/{delivery_id}", headers=headers) as answer:
        assert answer.status == 200
        return await answer.text()
