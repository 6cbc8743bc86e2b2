"""PagerDuty's Events API v2: our channel and PagerDuty's own package against the sandbox."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx2
import pagerduty
import pytest

from mentalspace.engine.channel import Channel, Message
from mentalspace.engine.outbound import open_client
from mentalspace.engine.paging_events import SEVERITIES, PagingEvents
from tests.sandbox.conftest import Client

package: Any = pagerduty
KEY = "k" * 32
CHANNEL = Channel("c-1", "pagerduty", "Noor, PagerDuty (key …kkk)", KEY)
SITE = "https://clinic.example"
MESSAGE = Message(
    "CRITICAL email: the key is refused",
    ("Ours; since 3 Mar, 02:10 UTC.", "First: store the right key."),
    f"{SITE}/incidents/1",
    "mentalspace/1/0",
    "critical",
    "email",
    datetime(2026, 3, 3, 2, 10, tzinfo=UTC),
)


class Plain(httpx2.HTTPTransport):
    """It takes https addresses only, and the sandbox speaks none: the last step goes without."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(scheme="http")
        return super().handle_request(request)


def official(client: Client, key: str = KEY) -> Any:
    base = client.sandbox.url.replace("http://", "https://")
    return package.EventsApiV2Client(key, base_url=f"{base}/pagerduty", transport=Plain())


async def alerts(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await client.control("GET", "/alerts")
    return found


async def test_an_incident_from_page_to_end(client: Client) -> None:
    """Triggered it wakes somebody, again it wakes them again; acknowledged it wakes nobody;
    resolved, the same key is a new alert."""
    async with open_client(live=False) as out:
        events = PagingEvents(out, f"{client.sandbox.url}/pagerduty", SITE)
        assert await events.send(CHANNEL, MESSAGE) is None
        assert await events.send(CHANNEL, MESSAGE) is None
        [alert] = await alerts(client)
        assert (alert["status"], alert["severity"], alert["notified"]) == (
            "triggered", "critical", 2,
        )  # fmt: skip
        assert (alert["summary"], alert["source"]) == (MESSAGE.title, "clinic.example")
        assert alert["links"] == [MESSAGE.link]
        assert await events.tell(CHANNEL, MESSAGE.key, "acknowledge") is None
        assert await events.send(CHANNEL, MESSAGE) is None
        [alert] = await alerts(client)
        assert (alert["status"], alert["triggers"], alert["notified"]) == ("acknowledged", 3, 2)
        assert await events.tell(CHANNEL, MESSAGE.key, "resolve") is None
        assert await events.send(CHANNEL, MESSAGE) is None
        assert [a["status"] for a in await alerts(client)] == ["triggered", "resolved"]


async def test_severities_and_lengths_are_what_pagerduty_takes(client: Client) -> None:
    """Each of ours has one of theirs, and a title or key of any length fits."""
    async with open_client(live=False) as out:
        events = PagingEvents(out, f"{client.sandbox.url}/pagerduty", SITE)
        for severity in SEVERITIES:
            page = replace(MESSAGE, severity=severity, key=severity * 99, title="x" * 5000)
            assert await events.send(CHANNEL, page) is None
        told = [alert["severity"] for alert in reversed(await alerts(client))]
        assert told == ["critical", "error", "warning", "info"]


async def test_a_test_of_the_alarm_leaves_nothing_open(client: Client) -> None:
    """It is triggered, which proves the way, and resolved at once."""
    async with open_client(live=False) as out:
        events = PagingEvents(out, f"{client.sandbox.url}/pagerduty", SITE)
        assert await events.send(CHANNEL, replace(MESSAGE, is_test=True)) is None
    [alert] = await alerts(client)
    assert alert["status"] == "resolved"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (None, "is the routing key right"),
        ({"kind": "status", "http": 429}, "takes no more at the moment"),
        ({"kind": "status", "http": 503}, "answered 503"),
        ({"kind": "reset"}, "gave no answer: reset"),
    ],
)
async def test_what_goes_wrong_is_said_without_the_key(
    client: Client, fault: dict[str, Any] | None, words: str
) -> None:
    """A wrong key, too many calls, an outage, a lost connection: each in words, none with a key."""
    channel = CHANNEL if fault else replace(CHANNEL, address="too-short")
    if fault:
        body = {"room": "pager", "provider": "pagerduty", **fault}
        await client.control("POST", "/faults", body, http=201)
    async with open_client(live=False) as out:
        events = PagingEvents(out, f"{client.sandbox.url}/pagerduty", SITE)
        error = await events.send(channel, MESSAGE)
    assert error is not None
    assert words in error
    assert channel.address not in error
    assert await alerts(client) == []


async def test_pagerdutys_own_package(client: Client) -> None:
    """Its client, unmodified, finds the same service: keys given or made, all three actions."""
    with official(client) as theirs:
        trigger = partial(theirs.trigger, "Slow", "db-1")
        made = await asyncio.to_thread(trigger, severity="warning")
        given = await asyncio.to_thread(trigger, dedup_key="d-1", severity="info")
        assert (len(made) > 0, given) == (True, "d-1")
        assert await asyncio.to_thread(theirs.acknowledge, "d-1") == "d-1"
        assert await asyncio.to_thread(theirs.resolve, made) == made
    found = {alert["dedup_key"]: alert["status"] for alert in await alerts(client)}
    assert found == {made: "resolved", "d-1": "acknowledged"}


async def test_pagerdutys_own_package_is_refused_as_documented(client: Client) -> None:
    """A routing key or a deduplication key of the wrong length, a severity that is none: 400."""
    for key, event in (
        ("short", {}),
        (KEY, {"severity": "awful"}),
        (KEY, {"dedup_key": "x" * 256}),
    ):
        with official(client, key) as theirs, pytest.raises(package.Error) as refused:
            await asyncio.to_thread(partial(theirs.trigger, "Slow", "db-1", **event))
        answer: Any = refused.value
        assert answer.response.status_code == 400
        assert answer.response.json()["errors"]


async def test_an_acknowledgment_of_nothing_is_dropped(client: Client) -> None:
    """Taken and without effect, as for a key that came by another routing key."""
    with official(client) as theirs, official(client, "o" * 32) as others:
        await asyncio.to_thread(theirs.trigger, "Slow", "db-1", dedup_key="d-1")
        await asyncio.to_thread(others.resolve, "d-1")
        await asyncio.to_thread(theirs.acknowledge, "unheard-of")
    [alert] = await alerts(client)
    assert alert["status"] == "triggered"
