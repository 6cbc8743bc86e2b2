"""Every error Resend names: by what causes it, and on request by its name alone."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from typing import Any

import pytest

from mentalspace.integrations.email.resend.sandbox.errors import ERRORS, Problem
from mentalspace.integrations.email.resend.sandbox.mail import check_mail
from mentalspace.integrations.email.tests.conftest import MAIL, Client

NOBODY = "00000000-0000-4000-8000-000000000000"
FILE = {"filename": "a.txt", "content": base64.b64encode(b"a").decode()}

CAUSES: list[tuple[str, str, Any, int, str]] = [
    ("POST", "/emails", {**MAIL, "attachments": [{"filename": "a"}]}, 422, "invalid_attachment"),
    ("POST", "/emails", {**MAIL, "attachments": [{"path": "//x"}]}, 422, "invalid_attachment"),
    ("POST", "/emails", {**MAIL, "attachments": [{"content": 5}]}, 422, "invalid_attachment"),
    ("POST", "/emails", {**MAIL, "attachments": [{"content": "%"}]}, 422, "invalid_attachment"),
    ("POST", "/emails", {**MAIL, "subject": "a\nb"}, 422, "validation_error"),
    ("POST", "/emails", {**MAIL, "subject": 5}, 422, "validation_error"),
    ("POST", "/emails", {**MAIL, "headers": {"X-A": 1}}, 422, "validation_error"),
    ("POST", "/emails", {**MAIL, "bcc": ["a@b.org"] * 51}, 422, "validation_error"),
    ("POST", "/emails", {**MAIL, "scheduled_at": "whenever"}, 422, "validation_error"),
    ("POST", "/emails", {**MAIL, "scheduled_at": "in 5 weeks"}, 422, "validation_error"),
    ("POST", "/emails", {**MAIL, "scheduled_at": "2020-01-01"}, 422, "validation_error"),
    (
        "POST", "/emails", {**MAIL, "scheduled_at": "in 1 hour", "attachments": [FILE]},
        422, "validation_error",
    ),
    ("POST", "/emails/batch", [{**MAIL, "attachments": [FILE]}], 422, "validation_error"),
    ("POST", "/emails/batch", [MAIL] * 101, 422, "validation_error"),
    ("POST", "/emails/batch", [], 422, "validation_error"),
    ("GET", "/emails/not-a-uuid", None, 422, "invalid_parameter"),
    ("POST", "/emails//cancel", {}, 422, "missing_required_parameter"),
    ("PATCH", f"/emails/{NOBODY}", {"scheduled_at": "in 1 hour"}, 404, "not_found"),
    ("GET", "/emails?limit=0", None, 422, "validation_error"),
    ("GET", f"/emails?after={NOBODY}", None, 422, "validation_error"),
    ("GET", "/emails/metrics?dimensions=broadcast", None, 422, "validation_error"),
    ("POST", "/domains", {"name": "no domain"}, 422, "validation_error"),
    ("POST", "/domains", {"name": "a.org", "region": "mars"}, 422, "invalid_region"),
    ("POST", "/domains", {"name": "mentalspace.app"}, 403, "validation_error"),
    ("POST", "/domains", {}, 422, "missing_required_field"),
    ("POST", "/api-keys", {"name": "a", "permission": "god"}, 422, "invalid_access"),
    ("DELETE", f"/api-keys/{NOBODY}", None, 404, "not_found"),
    ("POST", "/webhooks", {"endpoint": "https://x.org", "events": ["email.sent"]}, 422,
     "validation_error"),
    ("POST", "/webhooks", {"endpoint": "http://127.0.0.1:9/", "events": ["nothing"]}, 422,
     "validation_error"),
    ("POST", "/suppressions/batch/add", {"emails": []}, 422, "validation_error"),
    ("POST", "/suppressions/batch/remove", {}, 422, "validation_error"),
    ("GET", "/audiences", None, 404, "not_found"),
    ("POST", "/broadcasts", {}, 404, "not_found"),
    ("DELETE", "/usage", None, 405, "method_not_allowed"),
    ("GET", "/emails/batch", None, 405, "method_not_allowed"),
]  # fmt: skip


async def test_a_mistake_gets_its_error(client: Client) -> None:
    """A mistake is answered by the documented name and status, and nothing comes of it."""
    for method, path, body, http, name in CAUSES:
        status, answered, headers = await client.call(method, path, body)
        assert (status, answered["statusCode"], answered["name"]) == (http, http, name), (
            path,
            body,
        )
        assert {"ratelimit-limit", "ratelimit-policy", "ratelimit-reset"} <= set(headers)
    assert client.sandbox.world.kit.outbox.items() == []


def test_a_mail_has_at_most_40_mb() -> None:
    """Files count as base64, which is a third longer than they are."""
    file = base64.b64encode(bytes(16 * 1024 * 1024)).decode()
    check_mail({**MAIL, "attachments": [{"content": file}]})
    with pytest.raises(Problem, match="validation_error"):
        check_mail({**MAIL, "attachments": [{"content": file}] * 2})


async def test_a_body_that_is_no_json_is_a_400(client: Client) -> None:
    """What cannot be read at all is the 400 of the documentation."""
    url = f"{client.sandbox.url}/email/resend/emails"
    headers = {"authorization": "Bearer re_test_key"}
    async with client.http.post(url, data=b"{", headers=headers) as answer:
        assert (answer.status, (await answer.json())["name"]) == (400, "validation_error")


@pytest.mark.parametrize(
    ("options", "http", "name"),
    [
        ({"key_status": "suspended"}, 403, "suspended_api_key"),
        ({"key_status": "inactive"}, 403, "restricted_api_key"),
        ({"key_status": "missing_scopes"}, 403, "invalid_permission"),
        ({"testing": True}, 403, "validation_error"),
        ({"domains": ["other.example"]}, 403, "validation_error"),
    ],
)
async def test_an_account_may_be_in_trouble(
    client: Client, options: dict[str, Any], http: int, name: str
) -> None:
    """A key or a domain that is not in order refuses each mail by its own name."""
    client.account(options=options)
    status, answered, _headers = await client.call("POST", "/emails", MAIL)
    assert (status, answered["name"]) == (http, name)


async def test_every_error_can_be_asked_for(client: Client) -> None:
    """A fault with a name answers it; its status comes along, unless another is given."""
    faults = client.sandbox.world.kit.faults
    for http, name in ERRORS:
        usual = next(status for status, known in ERRORS if known == name)
        for asked, told in (({"http": http}, http), ({}, usual)):
            faults.add(room="email", provider="resend", kind="status", name=name, times=1, **asked)
            status, answered, _headers = await client.call("POST", "/emails", MAIL)
            assert (status, answered["name"]) == (told, name)
    assert client.sandbox.world.kit.outbox.items() == []


async def test_quotas_end_with_their_day_and_month(client: Client) -> None:
    """Every recipient counts; what is over is refused whole, and the next day it goes again."""
    client.account(options={"quota_daily": 3, "quota_monthly": 5})
    kit = client.sandbox.world.kit
    # On any day but one so near the month's end that the next two days would be of another.
    now = kit.clock.now()
    tenth = (now.replace(day=1) + timedelta(days=32)).replace(day=10, hour=12)
    begin_s = (tenth - now).total_seconds()
    kit.clock.move(begin_s)
    two = {**MAIL, "cc": "second@demo.example"}
    status, _body, headers = await client.call("POST", "/emails", two)
    assert (status, headers["x-resend-daily-quota"], headers["x-resend-monthly-quota"]) == (
        200, "2", "2",
    )  # fmt: skip
    status, body, headers = await client.call("POST", "/emails/batch", [MAIL, MAIL])
    assert (status, body["name"]) == (429, "daily_quota_exceeded")
    assert "retry-after" not in headers
    kit.clock.move(begin_s + 24 * 3600)
    assert (await client.call("POST", "/emails", two))[0] == 200
    status, body, _headers = await client.call("POST", "/emails", two)
    assert (status, body["name"]) == (429, "daily_quota_exceeded")
    kit.clock.move(begin_s + 2 * 24 * 3600)
    status, body, _headers = await client.call("POST", "/emails", two)
    assert (status, body["name"]) == (429, "monthly_quota_exceeded")
    kit.clock.move(begin_s + 32 * 24 * 3600)
    assert (await client.call("POST", "/emails", two))[0] == 200


async def test_two_changes_of_one_mail_at_once_are_a_conflict(client: Client) -> None:
    """While a mail is being moved, a second change of it is told that it is locked."""
    _status, sent, _ = await client.call("POST", "/emails", {**MAIL, "scheduled_at": "in 1 hour"})
    kit = client.sandbox.world.kit
    kit.faults.add(
        room="email", provider="resend", kind="latency", when="before", latency_s=0.3, times=1
    )
    move = client.call("PATCH", f"/emails/{sent['id']}", {"scheduled_at": "in 2 hours"})
    moving = asyncio.create_task(move)
    while kit.faults.left(kit.faults.all()[0]) == 1:
        await asyncio.sleep(0.01)
    status, body, _ = await client.call("POST", f"/emails/{sent['id']}/cancel", {})
    assert (status, body["name"]) == (409, "resource_locked")
    assert (await moving)[0] == 200
    assert (await client.call("POST", f"/emails/{sent['id']}/cancel", {}))[0] == 200


async def test_the_keys_of_a_team_share_its_rate_and_its_idempotency(client: Client) -> None:
    """A second key of an account is the same customer: one window, one set of keys."""
    kit = client.sandbox.world.kit
    team = kit.accounts.put("email", "resend", "re_one", rate_per_s=2)
    kit.accounts.add_key(team, "re_two")
    first = await client.call("POST", "/emails", MAIL, key="re_one", idempotency_key="k")
    again = await client.call("POST", "/emails", MAIL, key="re_two", idempotency_key="k")
    assert first[1] == again[1]
    assert (await client.call("POST", "/emails", MAIL, key="re_one"))[0] == 429
    kit.accounts.revoke_key(team, team.key_hashes[0])
    assert (await client.call("POST", "/emails", MAIL, key="re_one"))[0] == 403
