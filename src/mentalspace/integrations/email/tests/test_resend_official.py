"""Resend's own package, unmodified: every function it has for what this sandbox plays."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import resend

from mentalspace.integrations.email.tests.conftest import KEY, MAIL, Client, Hooks

official: Any = resend
Run = Callable[..., Awaitable[Any]]

CALENDAR = {
    "filename": "visit.ics",
    "content": base64.b64encode(b"BEGIN:VCALENDAR").decode(),
    "content_type": "text/calendar",
}


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Run:
    """Calls a function of the package, in its plain or its asynchronous form."""

    async def call(place: Any, name: str, *args: Any) -> Any:
        if request.param == "async":
            return await getattr(place, f"{name}_async")(*args)
        return await asyncio.to_thread(getattr(place, name), *args)

    return call


async def test_emails(client: Client, run: Run) -> None:
    """Sent once per key, read, listed by pages, shared, and counted."""
    emails = official.Emails
    options = {"idempotency_key": "one"}
    first = (await run(emails, "send", MAIL, options))["id"]
    assert (await run(emails, "send", MAIL, options))["id"] == first
    others = [(await run(emails, "send", {**MAIL, "subject": str(n)}))["id"] for n in range(2)]
    read = await run(emails, "get", first)
    assert (read["object"], read["subject"], read["bcc"]) == ("email", MAIL["subject"], [])
    page = await run(emails, "list", {"limit": 2})
    assert [mail["id"] for mail in page["data"]] == others[::-1]
    assert page["has_more"]
    page = await run(emails, "list", {"limit": 2, "after": others[0]})
    assert ([mail["id"] for mail in page["data"]], page["has_more"]) == ([first], False)
    page = await run(emails, "list", {"before": first})
    assert [mail["id"] for mail in page["data"]] == others[::-1]
    shared = await run(emails, "share", first, {"expires_in": "1h 30m"})
    async with client.http.get(shared["url"]) as answer:
        assert answer.status == 200
    client.sandbox.world.kit.clock.move(60)
    for granularity in ("hourly", "daily", "weekly", "monthly"):
        asked = {"dimensions": ["period"], "granularity": granularity}
        counted = await run(emails, "metrics", asked)
        assert (counted["totals"]["delivered"], counted["totals"]["delivery_rate"]) == (3, 1)
        assert sum(row["sent"] for row in counted["data"]) == 3
    bounces = {"metrics": ["bounced_permanent", "bounce_rate"], "start_date": "2020-01-01"}
    counted = await run(emails, "metrics", bounces)
    assert counted["totals"] == {"bounced_permanent": 0, "bounce_rate": 0}


async def test_scheduled_emails(client: Client, run: Run) -> None:
    """A mail for later can be moved and cancelled until it is sent, and then no more."""
    emails = official.Emails
    later = (await run(emails, "send", {**MAIL, "scheduled_at": "in 1 hour"}))["id"]
    assert (await run(emails, "get", later))["last_event"] == "scheduled"
    moved = await run(emails, "update", {"id": later, "scheduled_at": "in 2 hours"})
    assert (moved["object"], moved["id"]) == ("email", later)
    cancelled = (await run(emails, "send", {**MAIL, "scheduled_at": "in 1 hour"}))["id"]
    assert (await run(emails, "cancel", cancelled))["id"] == cancelled
    clock = client.sandbox.world.kit.clock
    clock.move(3700)
    assert (await run(emails, "get", later))["last_event"] == "scheduled"
    clock.move(7300)
    assert (await run(emails, "get", later))["last_event"] == "delivered"
    assert (await run(emails, "get", cancelled))["last_event"] == "canceled"
    with pytest.raises(resend.exceptions.ValidationError):
        await run(emails, "cancel", later)


async def test_attachments(client: Client, run: Run) -> None:
    """Files are listed with their size and type, and can be fetched from where it is said."""
    bytes_too = {"filename": "note.txt", "content": list(b"see you")}
    mail = {**MAIL, "attachments": [CALENDAR, bytes_too]}
    sent = (await run(official.Emails, "send", mail))["id"]
    listed = await run(official.Emails.Attachments, "list", sent)
    shown = [(f["filename"], f["content_type"], f["size"]) for f in listed["data"]]
    assert shown == [("visit.ics", "text/calendar", 15), ("note.txt", "text/plain", 7)]
    file = await run(official.Emails.Attachments, "get", sent, listed["data"][0]["id"])
    assert file["object"] == "attachment"
    async with client.http.get(file["download_url"]) as answer:
        assert await answer.read() == b"BEGIN:VCALENDAR"


async def test_batches(client: Client, run: Run) -> None:
    """Strict refuses all for one bad mail; permissive sends the others and names it."""
    batch = [{**MAIL, "to": [f"c{n}@demo.example"]} for n in range(3)]
    sent = await run(official.Batch, "send", batch, {"idempotency_key": "b"})
    again = await run(official.Batch, "send", batch, {"idempotency_key": "b"})
    assert sent["data"] == again["data"]
    bad = [*batch, {**MAIL, "to": "nobody"}]
    with pytest.raises(resend.exceptions.ValidationError):
        await run(official.Batch, "send", bad)
    sent = await run(official.Batch, "send", bad, {"batch_validation": "permissive"})
    assert len(sent["data"]) == 3
    assert [error["index"] for error in sent["errors"]] == [3]
    assert len(client.sandbox.world.kit.outbox.items()) == 6


async def test_domains(client: Client, run: Run) -> None:
    """A new domain sends once it is verified; its records are those to publish."""
    domains, clock = official.Domains, client.sandbox.world.kit.clock
    made = await run(domains, "create", {"name": "clinic.demo", "region": "eu-west-1"})
    assert made["status"] == "not_started"
    assert {(r["record"], r["type"]) for r in made["records"]} == {
        ("SPF", "MX"), ("SPF", "TXT"), ("DKIM", "TXT"),
    }  # fmt: skip
    mail = {**MAIL, "from": "hello@clinic.demo"}
    with pytest.raises(resend.exceptions.ResendError, match="not verified") as refused:
        await run(official.Emails, "send", mail)
    assert (refused.value.code, refused.value.error_type) == (403, "validation_error")
    await run(domains, "verify", made["id"])
    assert (await run(domains, "get", made["id"]))["status"] == "pending"
    clock.move(5)
    verified = await run(domains, "get", made["id"])
    assert {record["status"] for record in verified["records"]} == {"verified"}
    assert verified["records"][0]["value"] == "feedback-smtp.eu-west-1.amazonses.com"
    await run(official.Emails, "send", mail)
    change = {"id": made["id"], "open_tracking": True, "tracking_subdomain": "links"}
    assert (await run(domains, "update", change))["id"] == made["id"]
    listed = (await run(domains, "list"))["data"]
    assert [(d["name"], d["open_tracking"]) for d in listed] == [
        ("clinic.demo", True), ("mentalspace.app", False),
    ]  # fmt: skip
    assert "records" not in listed[0]
    assert (await run(domains, "remove", made["id"]))["deleted"]
    with pytest.raises(resend.exceptions.ResendError, match="not verified"):
        await run(official.Emails, "send", mail)


async def test_api_keys(client: Client, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second key works beside the first, may be bound to sending, and can be revoked."""
    keys = official.ApiKeys
    made = await run(keys, "create", {"name": "next", "permission": "sending_access"})
    names = {key["id"]: key["name"] for key in (await run(keys, "list"))["data"]}
    assert names[made["id"]] == "next"
    assert (await run(keys, "update", {"id": made["id"], "name": "newer"}))["id"] == made["id"]
    monkeypatch.setattr(resend, "api_key", made["token"])
    sent = await run(official.Emails, "send", MAIL)
    with pytest.raises(resend.exceptions.ResendError, match="restricted to only send"):
        await run(keys, "list")
    monkeypatch.setattr(resend, "api_key", KEY)
    assert (await run(official.Emails, "get", sent["id"]))["id"] == sent["id"]
    assert (await run(keys, "remove", made["id"]))["deleted"]
    monkeypatch.setattr(resend, "api_key", made["token"])
    with pytest.raises(resend.exceptions.InvalidApiKeyError):
        await run(official.Emails, "send", MAIL)


async def test_webhooks(client: Client, hooks: Hooks, run: Run) -> None:
    """An endpoint hears only of what it asked for, under its own secret; events can be replayed."""
    webhooks = official.Webhooks
    (first,) = (await run(webhooks, "list"))["data"]
    await run(webhooks, "update", {"webhook_id": first["id"], "status": "disabled"})
    made = await run(webhooks, "create", {"endpoint": hooks.url, "events": ["email.delivered"]})
    await run(official.Emails, "send", MAIL)
    assert await hooks.kinds(1) == ["email.delivered"]
    headers, body = hooks.got[0]
    given = {name: headers[f"svix-{name}"] for name in ("id", "timestamp", "signature")}
    checked = official.Webhooks.verify(
        {"payload": body.decode(), "headers": given, "webhook_secret": made["signing_secret"]}
    )
    assert checked["type"] == "email.delivered"
    shown = await run(webhooks, "get", made["id"])
    assert shown["signing_secret"] == made["signing_secret"]
    (event,) = (await run(webhooks, "list_events", made["id"]))["data"]
    assert (event["id"], event["type"]) == (headers["svix-id"], "email.delivered")
    whole = await run(webhooks, "get_event", made["id"], event["id"])
    assert (whole["payload"], whole["status"]) == (checked, "success")
    replayed = await run(webhooks, "replay_event", made["id"], event["id"])
    await hooks.kinds(2)
    assert hooks.got[1][0]["svix-id"] == replayed["id"] == event["id"]
    await asyncio.sleep(0.05)
    tried = (await run(webhooks, "list_event_attempts", made["id"], event["id"]))["data"]
    assert [attempt["http_status_code"] for attempt in tried] == [200, 200]
    assert (await run(webhooks, "remove", made["id"]))["deleted"]
    await run(official.Emails, "send", MAIL)
    await asyncio.sleep(0.2)
    assert len(hooks.got) == 2


async def test_a_signing_secret_is_rotated_without_a_gap(
    client: Client, hooks: Hooks, run: Run
) -> None:
    """For a day both secrets hold, and after it the new one alone."""
    (first,) = (await run(official.Webhooks, "list"))["data"]
    old = (await run(official.Webhooks, "get", first["id"]))["signing_secret"]
    rotated = await run(official.Webhooks, "rotate_signing_secret", first["id"])
    new = rotated["signing_secret"]
    await run(official.Emails, "send", MAIL)
    await hooks.kinds(2)
    client.sandbox.world.kit.clock.move(25 * 3600)
    await run(official.Emails, "send", MAIL)
    await hooks.kinds(4)
    assert [holds(hooks.got[0], secret) for secret in (old, new)] == [True, True]
    assert [holds(hooks.got[-1], secret, ahead_s=25 * 3600) for secret in (old, new)] == [
        False, True,
    ]  # fmt: skip


def holds(got: tuple[dict[str, str], bytes], secret: str, ahead_s: float = 0) -> bool:
    """Whether the package itself takes the webhook for Resend's."""
    headers, body = got
    given = {name: headers[f"svix-{name}"] for name in ("id", "timestamp", "signature")}
    real = time.time
    time.time = lambda: real() + ahead_s
    try:
        official.Webhooks.verify(
            {"payload": body.decode(), "headers": given, "webhook_secret": secret}
        )
    except ValueError:
        return False
    finally:
        time.time = real
    return True


async def test_suppressions(client: Client, hooks: Hooks, run: Run) -> None:
    """Who is on the list gets nothing; the list is read, filtered, and changed by hand."""
    suppressions = official.Suppressions
    added = await run(suppressions, "add", {"email": "Client@Demo.Example"})
    assert (await run(suppressions, "add", {"email": "client@demo.example"}))["id"] == added["id"]
    found = await run(suppressions, "get", "client@demo.example")
    assert (found["id"], found["origin"], found["source_id"]) == (added["id"], "manual", None)
    await run(official.Emails, "send", MAIL)
    assert await hooks.kinds(2) == ["suppression.added", "email.suppressed"]
    many = await run(suppressions.Batch, "add", {"emails": ["a@b.org", "A@b.org", "c@b.org"]})
    assert len(many["data"]) == 2
    listed = await run(suppressions, "list", {"origin": "manual", "limit": 2})
    assert ([i["email"] for i in listed["data"]], listed["has_more"]) == (
        ["c@b.org", "a@b.org"], True,
    )  # fmt: skip
    gone = await run(suppressions.Batch, "remove", {"emails": ["a@b.org", "unknown@b.org"]})
    assert len(gone["data"]) == 1
    assert (await run(suppressions, "remove", added["id"]))["deleted"]
    with pytest.raises(resend.exceptions.ResendError, match="not found"):
        await run(suppressions, "get", "client@demo.example")


async def test_templates(client: Client, run: Run) -> None:
    """A published template is filled in; a draft is none, and a missing value is refused."""
    templates = official.Templates
    made = await run(
        templates,
        "create",
        {
            "name": "visit",
            "html": "<p>{{{WHO}}} at {{{WHEN}}}</p>",
            "subject": "For {{{WHO}}}",
            "from": MAIL["from"],
            "variables": [
                {"key": "WHO", "type": "string"},
                {"key": "WHEN", "type": "string", "fallback_value": "noon"},
            ],
        },
    )
    mail = {"to": MAIL["to"], "template": {"id": made["id"], "variables": {"WHO": "A & B"}}}
    with pytest.raises(resend.exceptions.ResendError, match="Template not found"):
        await run(official.Emails, "send", mail)
    await run(templates, "update", {"id": made["id"], "alias": "visit"})
    await run(templates, "publish", made["id"])
    sent = await run(official.Emails, "send", mail)
    read = await run(official.Emails, "get", sent["id"])
    assert (read["subject"], read["html"]) == ("For A & B", "<p>A &amp; B at noon</p>")
    with pytest.raises(resend.exceptions.ValidationError, match="WHO"):
        await run(official.Emails, "send", {**mail, "template": {"id": "visit"}})
    copy = await run(templates, "duplicate", made["id"])
    assert (await run(templates, "get", copy["id"]))["status"] == "draft"
    assert len((await run(templates, "list"))["data"]) == 2
    assert (await run(templates, "remove", copy["id"]))["deleted"]


async def test_usage_and_logs(client: Client, run: Run) -> None:
    """What was used of the allowances, and which requests were made."""
    client.account(options={"quota_daily": 100})
    await run(official.Emails, "send", MAIL)
    usage = await run(official.Usage, "get")
    assert (usage["emails"]["daily"]["used"], usage["emails"]["daily"]["limit"]) == (1, 100)
    assert usage["emails"]["monthly"]["limit"] is None
    logs = (await run(official.Logs, "list"))["data"]
    assert [(log["method"], log["endpoint"]) for log in logs] == [
        ("GET", "/usage"), ("POST", "/emails"),
    ]  # fmt: skip
    log = await run(official.Logs, "get", logs[1]["id"])
    assert (log["object"], log["response_status"]) == ("log", 200)
