"""Wire samples, each with its source, judge both readings of Twilio: sandbox and adapter."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

import pytest

from mentalspace.integrations.sms.tests.conftest import CLIENT, NUMBER, SID, Customer, Hooks
from mentalspace.integrations.sms.twilio import webhooks, wire
from mentalspace.kernel.delivery import Status
from mentalspace.kernel.event import Event, Incoming
from mentalspace.kernel.integration import Answer

HERE = files("mentalspace.integrations.sms.twilio") / "payloads"
SAMPLES: dict[str, Any] = {
    path.name.removesuffix(".json"): json.loads(path.read_text())
    for path in sorted(HERE.iterdir(), key=lambda path: path.name)
}
ERRORS = [name for name in SAMPLES if name.startswith("error.")]
MESSAGES = f"/2010-04-01/Accounts/{SID}/Messages"
# Where the number is, by its area code: the sandbox knows no towns, and nobody reads them.
PLACES = frozenset(f"{side}{what}" for side in ("From", "To") for what in ("City", "State", "Zip"))


def test_samples_say_where_they_are_from() -> None:
    """Each sample names its source, how it is known, and when it was read."""
    for name, sample in SAMPLES.items():
        assert sample["source"] and sample["seen"], name
        assert sample["known"] in ("documented", "fixture", "seen live"), name


@pytest.mark.parametrize("name", ERRORS)
async def test_a_refusal_is_the_same_to_sandbox_and_adapter(customer: Customer, name: str) -> None:
    """The sandbox can answer it to the letter, and the adapter reads its code and status."""
    http, body = SAMPLES[name]["http"], SAMPLES[name]["body"]
    customer.sandbox.world.kit.faults.add(
        room="sms",
        provider="twilio",
        kind="status",
        http=http,
        name=str(body["code"]),
        message=body["message"],
        times=1,
    )
    assert await customer.send() == (http, body)
    evidence = wire.error_of(Answer(http, {}, json.dumps(body).encode())).evidence
    assert (evidence.http, evidence.code) == (http, str(body["code"]))


async def test_a_message_is_the_same_to_sandbox_and_adapter(customer: Customer) -> None:
    """Made, fetched and listed, the sandbox's has the sample's fields and types, and the adapter
    reads the sample."""
    made, fetched, listed = (
        SAMPLES[name] for name in ("message.created", "message.fetched", "messages.listed")
    )
    http, answered = await customer.send()
    assert http == made["http"]
    assert shape(made["body"], answered) <= {"messaging_service_sid", "date_sent", "price"}
    customer.later(60)
    http, answered = await customer.call("GET", f"{MESSAGES}/{answered['sid']}.json")
    assert http == fetched["http"]
    assert shape(fetched["body"], answered) <= {"messaging_service_sid"}
    http, answered = await customer.call("GET", f"{MESSAGES}.json?PageSize=50")
    assert http == listed["http"]
    lacks = shape(listed["body"], answered)
    # No list of today counts all that there are.
    assert lacks <= {"messages.messaging_service_sid", "num_pages", "total", "last_page_uri"}

    assert wire.sid_of(made["body"]) == made["body"]["sid"]
    assert wire.event_of(fetched["body"]).status is None  # sent is not delivered
    date = {"date": "Fri, 04 Sep 2015 23:00:00 GMT"}
    page = wire.page_of(Answer(200, date, json.dumps(listed["body"]).encode()))
    [one] = page.messages
    assert (one.number, one.created_at, page.next_path) == (
        "+14155552345", datetime(2015, 9, 4, 22, 54, 39, tzinfo=UTC), None)  # fmt: skip
    assert one.says(listed["body"]["messages"][0]["body"])


async def test_a_line_type_is_the_same_to_sandbox_and_adapter(customer: Customer) -> None:
    """Lookup's answer has the sample's fields, and the adapter finds the type in both."""
    sample = SAMPLES["lookup.line_type"]
    customer.account(line_types={CLIENT: "nonFixedVoip"})
    http, answered = await customer.call("GET", wire.lookup_path(CLIENT))
    assert http == sample["http"]
    assert shape(sample["body"], answered) == set()
    for body in (sample["body"], answered):
        assert wire.line_type(Answer(200, {}, json.dumps(body).encode())) == "nonFixedVoip"


@pytest.mark.parametrize(
    ("name", "fate", "status"),
    [
        ("callback.sent", "delivered", None),
        ("callback.delivered", "delivered", Status.DELIVERED),
        ("callback.undelivered", "30003", Status.BOUNCED),
    ],
)
async def test_a_callback_is_the_same_to_sandbox_and_adapter(
    customer: Customer, hooks: Hooks, name: str, fate: str, status: Status | None
) -> None:
    """The sandbox tells it with the sample's fields, and the adapter reads both alike."""
    sample = SAMPLES[name]["body"]
    customer.account(fates={CLIENT: fate})
    await customer.send(StatusCallback=hooks.url)
    customer.later(5)
    told = {one.form["MessageStatus"]: one for one in await hooks.first(3)}
    got = told[sample["MessageStatus"]]
    assert set(sample) <= set(got.form)
    for raw in (got.body.encode(), urlencode(sample).encode()):
        [event] = webhooks.parse(raw, "")
        assert isinstance(event, Event)
        assert (event.status, event.code) == (status, sample.get("ErrorCode"))


async def test_what_a_person_texts_is_the_same_to_sandbox_and_adapter(
    customer: Customer, hooks: Hooks
) -> None:
    """What came in has the sample's fields but the places, and the adapter reads both alike."""
    sample = SAMPLES["callback.received"]["body"]
    customer.account(hooks.url)
    said = {"from": CLIENT, "to": NUMBER, "body": sample["Body"]}
    await customer.control("POST", "/texts/sms/twilio", said)
    [got] = await hooks.first(1)
    assert set(sample) - set(got.form) <= PLACES
    for raw, sender in ((got.body.encode(), CLIENT), (urlencode(sample).encode(), sample["From"])):
        [incoming] = webhooks.parse(raw, "")
        assert isinstance(incoming, Incoming)
        assert (incoming.sender.reveal(), incoming.body.reveal()) == (sender, sample["Body"])


def shape(sample: Any, found: Any, where: str = "") -> set[str]:
    """Where `found` lacks what the sample has, or has it as another type."""
    if isinstance(sample, dict) and isinstance(found, dict):
        inner = set[str]()
        for key, value in sample.items():
            at = f"{where}.{key}".lstrip(".")
            inner |= shape(value, found[key], at) if key in found else {at}
        return inner
    if isinstance(sample, list) and isinstance(found, list):
        return shape(sample[0], found[0], where) if sample and found else set()
    return set() if sample is None or isinstance(found, type(sample)) else {where}
