"""The sandbox judged by others: the official `resend` package, `svix`, and documented payloads."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import resend
import svix.webhooks

from mentalspace.integrations.email.tests.conftest import MAIL, SECRET, Client, Hooks, payload

# The package types its parameters more narrowly than it needs.
official: Any = resend


async def test_the_official_package_sends_and_reads_back(client: Client, hooks: Hooks) -> None:
    """`resend`, unmodified, sends a mail and later reads that it was delivered."""
    sent = await asyncio.to_thread(official.Emails.send, MAIL, {"idempotency_key": "one"})
    again = await asyncio.to_thread(official.Emails.send, MAIL, {"idempotency_key": "one"})
    assert sent["id"] == again["id"]
    assert sorted(await hooks.kinds(2)) == ["email.delivered", "email.sent"]
    read = await asyncio.to_thread(official.Emails.get, sent["id"])
    assert (read["last_event"], read["subject"]) == ("delivered", "Your appointment")
    assert set(payload("email.retrieved")) <= set(read)


async def test_the_official_package_sends_batches_and_lists_domains(client: Client) -> None:
    """`resend` sends a batch and finds the verified domain with its records."""
    batch = [{**MAIL, "to": [f"client{n}@demo.example"]} for n in range(3)]
    sent = await asyncio.to_thread(official.Batch.send, batch)
    assert len({item["id"] for item in sent["data"]}) == 3
    listed = await asyncio.to_thread(official.Domains.list)
    assert set(payload("domains.listed")) <= set(listed)
    first = listed["data"][0]
    assert "records" not in first
    domain = await asyncio.to_thread(official.Domains.get, first["id"])
    assert domain["status"] == "verified"
    assert domain["records"]


async def test_the_official_package_recognises_the_errors(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`resend` raises its own exception classes for a bad field, a bad key and a full window."""
    with pytest.raises(resend.exceptions.MissingRequiredFieldsError):
        await asyncio.to_thread(official.Emails.send, {**MAIL, "subject": ""})
    with pytest.raises(resend.exceptions.ValidationError, match="Invalid `to` field"):
        await asyncio.to_thread(official.Emails.send, {**MAIL, "to": "invalid@invalid"})
    client.account(rate_per_s=1)
    with pytest.raises(resend.exceptions.RateLimitError):
        for _ in range(2):
            await asyncio.to_thread(official.Domains.list)
    monkeypatch.setattr(resend, "api_key", "re_unknown")
    with pytest.raises(resend.exceptions.InvalidApiKeyError):
        await asyncio.to_thread(official.Emails.send, MAIL)


@pytest.mark.parametrize(
    ("local", "kinds"),
    [
        ("delivered+label", ["email.sent", "email.delivered"]),
        ("bounced", ["email.sent", "email.bounced"]),
        ("complained+x", ["email.sent", "email.delivered", "email.complained"]),
        ("suppressed", ["email.suppressed"]),
    ],
)
async def test_test_addresses_meet_their_fate_in_signed_webhooks(
    client: Client, hooks: Hooks, local: str, kinds: list[str]
) -> None:
    """Each of Resend's test addresses leads to its events, signed so that `svix` verifies them."""
    status, _sent, _headers = await client.call(
        "POST", "/emails", {**MAIL, "to": f"{local}@resend.dev"}
    )
    assert status == 200
    assert sorted(await hooks.kinds(len(kinds))) == sorted(kinds)
    optional = {"broadcast_id", "template_id"}
    for headers, body in hooks.got:
        svix.webhooks.Webhook(SECRET).verify(body, headers)
        with pytest.raises(svix.webhooks.WebhookVerificationError):
            svix.webhooks.Webhook(SECRET).verify(body + b" ", headers)
        event = json.loads(body)
        sample = payload(f"webhook.{event['type'].removeprefix('email.')}")
        assert set(event) == set(sample)
        assert set(sample["data"]) - optional <= set(event["data"])
        assert event["data"]["tags"] == {"kind": "reminder"}


@pytest.mark.parametrize(
    ("change", "sample"),
    [
        ({"to": "invalid@invalid"}, "error.invalid_to"),
        ({"to": "nobody@example.com"}, "error.example_domain"),
    ],
)
async def test_refused_recipients_get_the_recorded_answer(
    client: Client, change: dict[str, Any], sample: str
) -> None:
    """A malformed or reserved recipient is answered word for word as Resend does."""
    status, body, _headers = await client.call("POST", "/emails", {**MAIL, **change})
    assert (status, body) == (422, payload(sample))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"from": ""}, "missing_required_field"),
        ({"from": "nobody"}, "validation_error"),
        ({"to": []}, "missing_required_field"),
        ({"to": [f"c{n}@demo.example" for n in range(51)]}, "validation_error"),
        ({"to": [None]}, "validation_error"),
        ({"html": None}, "missing_required_field"),
        ({"tags": [{"name": "two words", "value": "x"}]}, "validation_error"),
        ({"reply_to": "nobody"}, "validation_error"),
    ],
)
async def test_invalid_fields_are_refused_and_nothing_is_accepted(
    client: Client, change: dict[str, Any], name: str
) -> None:
    """Each invalid field is a 422 with Resend's name for it, and no mail comes of it."""
    status, body, headers = await client.call("POST", "/emails", {**MAIL, **change})
    assert (status, body["statusCode"], body["name"]) == (422, 422, name)
    assert {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= set(headers)
    assert client.sandbox.world.kit.outbox.items() == []


async def test_credentials_are_told_apart(client: Client) -> None:
    """Missing, unknown, and send-only keys, and a missing User-Agent, each get their own answer."""
    missing, body, _ = await client.call("POST", "/emails", MAIL, key=None)
    assert (missing, body["name"]) == (401, "missing_api_key")
    unknown, body, _ = await client.call("POST", "/emails", MAIL, key="re_other")
    assert (unknown, body) == (403, payload("error.invalid_key"))
    client.sandbox.world.kit.options.put(
        "email", "resend", {"invalid_key_http": 401, "invalid_key_name": "validation_error"}
    )
    unknown, body, _ = await client.call("POST", "/emails", MAIL, key="re_other")
    assert (unknown, body["name"]) == (401, "validation_error")
    client.account(options={"permission": "sending_access"})
    restricted, body, _ = await client.call("GET", "/domains")
    assert (restricted, body["name"]) == (401, "restricted_api_key")
    assert (await client.call("POST", "/emails", MAIL))[0] == 200
    reader, writer = await asyncio.open_connection("127.0.0.1", client.sandbox.port)
    writer.write(b"GET /email/resend/domains HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"1010" in answer


async def test_senders_need_a_verified_domain(client: Client) -> None:
    """An unverified sender is a 403, and resend.dev may only write to the test addresses."""
    client.account(options={"domains": ["other.example"]})
    status, body, _ = await client.call("POST", "/emails", MAIL)
    assert (status, body["name"]) == (403, "validation_error")
    assert "not verified" in body["message"]
    status, body, _ = await client.call("POST", "/emails", {**MAIL, "from": "a@resend.dev"})
    assert status == 403
    assert "testing emails" in body["message"]


async def test_paths_and_methods_it_does_not_know(client: Client) -> None:
    """Unknown paths are 404 and known ones with another method 405, in Resend's error body."""
    for method, path, http, name in (
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/emails/00000000-0000-4000-8000-000000000000", 404, "not_found"),
        ("PUT", "/emails", 405, "method_not_allowed"),
        ("DELETE", "/domains", 405, "method_not_allowed"),
    ):
        status, body, _ = await client.call(method, path, {})
        assert (status, body["statusCode"], body["name"]) == (http, http, name)


async def test_keys_replay_for_a_day_and_refuse_other_payloads(client: Client) -> None:
    """One key gives one mail for 24 hours; another payload under it is a conflict."""
    _, first, _ = await client.call("POST", "/emails", MAIL, idempotency_key="k1")
    _, again, _ = await client.call("POST", "/emails", MAIL, idempotency_key="k1")
    assert again == first
    other = {**MAIL, "subject": "Another"}
    status, body, _ = await client.call("POST", "/emails", other, idempotency_key="k1")
    assert (status, body["name"]) == (409, "invalid_idempotent_request")
    status, body, _ = await client.call("POST", "/emails", MAIL, idempotency_key="k" * 257)
    assert (status, body["name"]) == (400, "invalid_idempotency_key")
    client.sandbox.world.kit.clock.move(24 * 3600)
    _, later, _ = await client.call("POST", "/emails", MAIL, idempotency_key="k1")
    assert later != first


async def test_a_key_still_at_work_is_a_conflict(client: Client) -> None:
    """While a slow request holds a key, a second one with it is told so, and one mail results."""
    client.sandbox.world.kit.faults.add(
        room="email", provider="resend", kind="latency", when="after", latency_s=0.5, times=1
    )
    slow = asyncio.create_task(client.call("POST", "/emails", MAIL, idempotency_key="k2"))
    while not client.sandbox.world.kit.outbox.items():
        await asyncio.sleep(0.01)
    status, body, _ = await client.call("POST", "/emails", MAIL, idempotency_key="k2")
    assert (status, body["name"]) == (409, "concurrent_idempotent_requests")
    assert (await slow)[0] == 200
    assert len(client.sandbox.world.kit.outbox.items()) == 1


async def test_the_rate_limit_says_when_to_come_back(client: Client) -> None:
    """Over the limit: 429 with retry-after; another consumer's share comes off ours."""
    client.account(rate_per_s=10)
    kit = client.sandbox.world.kit
    kit.accounts.change(kit.accounts.all()[-1], consumed_per_s=7)
    answers = [await client.call("GET", "/domains", {}) for _ in range(4)]
    assert [status for status, _body, _headers in answers] == [200, 200, 200, 429]
    assert [headers["ratelimit-remaining"] for _, _, headers in answers] == ["2", "1", "0", "0"]
    _status, body, headers = answers[-1]
    assert body == payload("error.rate_limited")
    assert (headers["retry-after"], headers["ratelimit-policy"]) == ("1", "10;w=1")


async def test_a_secret_that_cannot_sign_stops_only_its_own_webhooks(
    client: Client, hooks: Hooks
) -> None:
    """One account's broken secret leaves the other accounts' webhooks running."""
    client.sandbox.world.kit.accounts.put(
        "email", "resend", "re_broken", webhook_url=hooks.url, webhook_secret="whsec_x"
    )
    assert (await client.call("POST", "/emails", MAIL, key="re_broken"))[0] == 200
    await asyncio.sleep(0.2)
    assert (await client.call("POST", "/emails", MAIL))[0] == 200
    assert len(await hooks.kinds(2)) == 2


async def test_batches_are_all_or_nothing_unless_permissive(client: Client) -> None:
    """Strict: one bad mail refuses all. Permissive: the good ones go, the bad are listed."""
    batch = [MAIL, {**MAIL, "to": "invalid@invalid"}]
    status, body, _ = await client.call("POST", "/emails/batch", batch)
    assert (status, body["name"]) == (422, "validation_error")
    assert client.sandbox.world.kit.outbox.items() == []
    status, body, _ = await client.call(
        "POST", "/emails/batch", batch, x_batch_validation="permissive"
    )
    assert (status, len(body["data"])) == (200, 1)
    assert [error["index"] for error in body["errors"]] == [1]
