"""Wire samples, each with its source, judge both readings of Resend: sandbox and adapter."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from mentalspace.integrations.email.resend import webhooks, wire
from mentalspace.integrations.email.tests.conftest import MAIL, Client, Hooks
from mentalspace.kernel.delivery import Status
from mentalspace.kernel.event import Event, ListChange
from mentalspace.kernel.integration import Answer

HERE = files("mentalspace.integrations.email.resend") / "payloads"
SAMPLES: dict[str, Any] = {
    path.name.removesuffix(".json"): json.loads(path.read_text())
    for path in sorted(HERE.iterdir(), key=lambda path: path.name)
}
ERRORS = {name: sample for name, sample in SAMPLES.items() if name.startswith("error.")}
EVENTS = {name: sample for name, sample in SAMPLES.items() if name.startswith("webhook.")}
NOT_OURS = {"broadcast_id", "template_id"}  # only of mails that came of those

# What makes the sandbox tell of each kind of event.
FATES = {
    "email.sent": "delivered",
    "email.delivered": "delivered",
    "email.delivery_delayed": "delayed",
    "email.bounced": "bounced",
    "email.complained": "complained",
    "email.suppressed": "suppressed",
    "email.failed": "failed",
    "email.opened": "opened",
    "email.clicked": "clicked",
    "suppression.added": "bounced",
}
STATUSES = {
    "email.delivered": Status.DELIVERED,
    "email.bounced": Status.BOUNCED,
    "email.suppressed": Status.BOUNCED,
    "email.failed": Status.FAILED,
}


def test_samples_say_where_they_are_from() -> None:
    """Each sample names its source, how it is known, and when it was read."""
    for name, sample in SAMPLES.items():
        assert sample["source"] and sample["seen"], name
        assert sample["known"] in ("documented", "fixture", "seen live"), name


async def test_errors_are_the_same_to_sandbox_and_adapter(client: Client) -> None:
    """The sandbox can answer each to the letter, and the adapter reads its code and status."""
    client.account(rate_per_s=10)
    for name, sample in ERRORS.items():
        http, body = sample["http"], sample["body"]
        # Prose that names a field or a thing is of one request; the rest is the sandbox's own.
        own = "`" not in body["message"] and name != "error.unknown_api_key"
        client.sandbox.world.kit.faults.add(
            room="email",
            provider="resend",
            kind="status",
            http=http,
            name=body["name"],
            message=None if own else body["message"],
            times=1,
        )
        status, answered, headers = await client.call("POST", "/emails", MAIL)
        assert (status, answered) == (http, body), name
        raw = json.dumps(answered).encode()
        evidence = wire.error_of(Answer(status, headers, raw), None).evidence
        assert (evidence.http, evidence.code) == (http, body["name"]), name


@pytest.mark.parametrize("name", EVENTS)
async def test_an_event_is_the_same_to_sandbox_and_adapter(
    client: Client, hooks: Hooks, name: str
) -> None:
    """The sandbox tells it with the sample's fields, and the adapter reads both alike."""
    sample = EVENTS[name]["body"]
    kind = sample["type"]
    await provoke(client, kind)
    told = await hooks.told(kind)
    event = json.loads(told)
    assert set(event) == set(sample)
    assert shape(sample["data"], event["data"]) == set()
    if kind.startswith("suppression."):
        (change,), (sampled,) = (
            webhooks.parse(told, ""),
            webhooks.parse(json.dumps(sample).encode(), ""),
        )
        assert isinstance(change, ListChange) and isinstance(sampled, ListChange)
        assert (change.kind, change.listed) == (sampled.kind, sampled.listed) == (kind, True)
        return
    if not kind.startswith("email."):
        assert webhooks.parse(told, "") == webhooks.parse(json.dumps(sample).encode(), "") == ()
        return
    (from_sandbox,), (from_sample,) = (
        webhooks.parse(told, ""),
        webhooks.parse(json.dumps(sample).encode(), ""),
    )
    assert isinstance(from_sandbox, Event) and isinstance(from_sample, Event)
    assert from_sandbox.status == from_sample.status == STATUSES.get(kind)
    assert from_sandbox.kind == from_sample.kind == kind


async def provoke(client: Client, kind: str) -> None:
    """Have the sandbox do what leads to an event of this kind."""
    if kind == "domain.created":
        await client.call("POST", "/domains", {"name": "clinic.demo"})
        return
    options = {"fates": {"client": FATES.get(kind, "delivered")}, "delay_s": 0.05}
    client.sandbox.world.kit.options.put("email", "resend", options)
    later = {"scheduled_at": "in 1 hour"} if kind == "email.scheduled" else {}
    status, _body, _headers = await client.call("POST", "/emails", {**MAIL, **later})
    assert status == 200


def shape(sample: Any, event: Any, where: str = "data") -> set[str]:
    """Where the event lacks what the sample has, or has it as another type."""
    if isinstance(sample, dict):
        missing = {f"{where}.{key}" for key in set(sample) - set(event) - NOT_OURS}
        inner = (shape(sample[k], event[k], f"{where}.{k}") for k in set(sample) & set(event))
        return missing.union(*inner) if where != "data.tags" else set()
    if isinstance(sample, list) and sample and event:
        return shape(sample[0], event[0], f"{where}[]")
    return set() if isinstance(event, type(sample)) else {f"{where} is a {type(event).__name__}"}


@pytest.mark.parametrize(
    ("name", "method", "path", "body"),
    [
        ("email.accepted", "POST", "/emails", MAIL),
        ("batch.accepted", "POST", "/emails/batch", [MAIL, MAIL]),
        ("domains.listed", "GET", "/domains", None),
    ],
)
async def test_an_answer_has_the_samples_fields(
    client: Client, name: str, method: str, path: str, body: Any
) -> None:
    """What the sandbox answers has every field of Resend's own answer, of the same type."""
    status, answered, _headers = await client.call(method, path, body)
    assert status == SAMPLES[name]["http"]
    assert shape(SAMPLES[name]["body"], answered) == set()


async def test_a_mail_read_back_has_the_samples_fields(client: Client) -> None:
    """So does a mail that is read back, and the adapter finds its last event in it."""
    _status, sent, _headers = await client.call("POST", "/emails", {**MAIL, "text": "See you"})
    client.sandbox.world.kit.clock.move(60)
    status, answered, headers = await client.call("GET", f"/emails/{sent['id']}")
    sample = SAMPLES["email.retrieved"]["body"]
    assert shape({**sample, "text": "", "to": []}, answered) == set()
    event = wire.last_event(Answer(status, headers, json.dumps(answered).encode()))
    assert event is not None
    assert (event.provider_message_id, event.status) == (sent["id"], Status.DELIVERED)


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ("opened", Status.DELIVERED),
        ("clicked", Status.DELIVERED),
        ("complained", Status.DELIVERED),
        ("bounced", Status.BOUNCED),
        ("sent", None),
        ("delivery_delayed", None),
    ],
)
def test_what_was_opened_has_arrived(last: str, status: Status | None) -> None:
    """A mail that is asked after shows its newest event alone: nobody opens what did not come."""
    answer = Answer(200, {}, json.dumps({"id": "m-1", "last_event": last}).encode())
    event = wire.last_event(answer)
    assert (event and event.status) == status
